"""The folder of a run that never began."""

from pathlib import Path


def remove(folder: Path, params: Path) -> None:
    """
    Remove what RL-Zoo makes before it has a model; a folder with anything else stays.

    :param folder: of the run
    :param params: of its settings, inside
    """
    for monitor in folder.glob("*.monitor.csv"):
        monitor.unlink()
    for each in (params, folder):
        if each.is_dir() and not any(each.iterdir()):
            each.rmdir()
