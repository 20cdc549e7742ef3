"""Callbacks of the core."""

from pathlib import Path

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import CSVOutputFormat


class CSVLogger(BaseCallback):
    """
    Writes every logged figure to a CSV file, beside the outputs that the logger has already.

    :param folder: where to write; the folder of the run in RL-Zoo, else the logger's, else here
    :param file: name of the file; a number is added where it exists
    """

    def __init__(self, folder: str | None = None, file: str = "progress.csv") -> None:
        super().__init__()
        if Path(file).name != file:
            raise ValueError(f"file is {file!r}; allowed: a name, with the folder in 'folder'")
        self.folder = folder
        self.file = file
        self.output: CSVOutputFormat | None = None

    def _on_training_start(self) -> None:
        path = Path(self.folder or self.logger.dir or ".") / self.file
        path.parent.mkdir(parents=True, exist_ok=True)
        free = path
        number = 2
        while free.exists():
            free = path.with_stem(f"{path.stem}_{number}")
            number += 1
        self.output = CSVOutputFormat(str(free))
        self.logger.output_formats.append(self.output)

    def _on_step(self) -> bool:
        return True

    def _on_training_end(self) -> None:
        # RL-Zoo ends its first callback a second time, and all of a training that did not start.
        if self.output is not None and self.output in self.logger.output_formats:
            self.logger.output_formats.remove(self.output)
            self.output.close()
