"""The folder of a sweep: whose it is, and the tables and the picture in it."""

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import pandas

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.files import replacing
from sb3_scale.sweep import heat_map

TABLE, PAGE, PICTURE = "results.csv", "results.md", "heat_map.png"

OWNER = ".sweep-file"
"""Has the path of the file of the sweep, from the folder, so that both may move together."""

COLUMNS = {"algo", "env", "seed", "return", "error", "folder"}
"""Of the table, whatever the axes are."""


@dataclass(frozen=True)
class Output:
    """
    :param path: of the folder
    :param file: of the sweep
    :param axes: names of the axes
    """

    path: Path
    file: Path
    axes: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Of the files, beside what the trainings write."""
        return (TABLE, PAGE, PICTURE) if self.axes else (TABLE, PAGE)

    @property
    def other(self) -> str:
        """Path of another file whose sweep the folder has; empty if there is none any more."""
        owner = self.path / OWNER
        if not owner.is_file():
            return ""
        found = os.path.join(self.path, os.fsdecode(owner.read_bytes()))
        if not os.path.isfile(found) or os.path.samefile(found, self.file):
            return ""
        return os.path.relpath(os.path.realpath(found))

    def check(self) -> None:
        """
        :raises Sb3ScaleError: if the results would replace what is no sweep's
        """
        for name in self.names:
            if (self.path / name).is_dir():
                raise Sb3ScaleError(f"'{self.path / name}' is a folder; allowed: another --output")
        table = self.path / TABLE
        if table.is_file() and table.stat().st_size:
            lacking = sorted(COLUMNS - _head(table))
            if lacking:
                raise Sb3ScaleError(
                    f"'{table}' is no sweep's, for it has no column {', '.join(lacking)}; allowed: "
                    "another --output"
                )
        elif not (self.path / OWNER).is_file():
            for name in self.names[1:]:
                if (self.path / name).exists():
                    raise Sb3ScaleError(
                        f"'{self.path / name}' is no sweep's, for there is no {TABLE} beside it; "
                        "allowed: another --output"
                    )

    def claim(self) -> None:
        """
        Note whose sweep the folder has.

        :raises UnwritableError: if it cannot be written to
        """
        found = os.path.relpath(os.path.realpath(self.file), os.path.realpath(self.path))
        with replacing(self.path / OWNER) as unfinished:
            unfinished.write_bytes(os.fsencode(found))

    def write(self, lines: pandas.DataFrame, cells: pandas.DataFrame, page: str) -> None:
        """
        :param lines: of :func:`sb3_scale.sweep.results.per_training`
        :param cells: of :func:`sb3_scale.sweep.results.per_cell`
        :param page: in Markdown
        :raises UnwritableError: if a file cannot be written
        """
        for name, text in ((TABLE, lines.to_csv(index=False)), (PAGE, page)):
            with replacing(self.path / name) as unfinished:
                unfinished.write_text(text, encoding="utf-8")
        if self.axes:
            with replacing(self.path / PICTURE) as unfinished:
                heat_map.draw(cells, self.axes, unfinished)


def _head(table: Path) -> set[str]:
    try:
        with table.open(newline="", encoding="utf-8", errors="replace") as file:
            return set(next(csv.reader(file), []))
    except OSError as error:
        raise Sb3ScaleError(f"'{table}' cannot be read: {error.strerror}") from None
    except csv.Error:
        return set()
