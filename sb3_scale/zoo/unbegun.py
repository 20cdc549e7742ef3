"""A run that never began: what is said of it, and its folder."""

import traceback
from pathlib import Path
from typing import Any

from sb3_scale.errors import Sb3ScaleError

BEFORE = ("*.monitor.csv", "progress*.csv")
SETTINGS = ("config.yml", "args.yml", "command.txt")


def remove(manager: Any) -> None:
    """
    Remove what RL-Zoo makes before it trains; a folder with anything else stays.

    :param manager: RL-Zoo's ``ExperimentManager``
    """
    folder, settings = Path(manager.save_path), Path(manager.params_path)
    for where, names in ((settings, SETTINGS), (folder, BEFORE)):
        if not where.is_dir():
            continue
        for name in names:
            for path in where.glob(name):
                path.unlink()
        if not any(where.iterdir()):
            where.rmdir()


def told(manager: Any, error: Exception) -> Sb3ScaleError:
    """
    :param manager: RL-Zoo's ``ExperimentManager``
    :param error: that stopped it before it trained
    :return: the same in one sentence, with the place that raised it
    """
    place = traceback.extract_tb(error.__traceback__)[-1]
    text = " ".join(str(error).split())
    return Sb3ScaleError(
        f"{manager.algo} cannot be made for '{manager.env_name.gym_id}' with these settings: "
        f"{type(error).__name__} in {place.filename}:{place.lineno}: {text:.300}"
    )
