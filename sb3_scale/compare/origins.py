"""How a training was made: command, commit, versions, hardware."""

import re
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.trust.zips import DAMAGE, check_size

UNKNOWN = "not recorded"
LONGEST = 2000
"""Characters of a record that a page shows."""


@dataclass(frozen=True)
class Origin:
    """
    How a training was made, as far as it was written down.

    :param source: folder or file that it was read from
    :param command: that trained it
    :param commit: of the working folder
    :param versions: of the software
    :param hardware: that it ran on
    """

    source: str
    command: str = UNKNOWN
    commit: str = UNKNOWN
    versions: str = UNKNOWN
    hardware: str = UNKNOWN


def read_origin(folder: Path, commit: str = UNKNOWN, hardware: str = UNKNOWN) -> Origin:
    """
    :param folder: of a run of RL-Zoo
    :param commit: that the sweep noted
    :param hardware: that the sweep noted
    :return: what the run's files say
    :raises Sb3ScaleError: if one cannot be read
    """
    command = next(folder.glob("*/command.txt"), None)
    return Origin(
        str(folder),
        _text(command) if command else UNKNOWN,
        commit or UNKNOWN,
        _versions(folder),
        hardware,
    )


def sweep_hardware(folder: Path) -> str:
    """
    :param folder: of a sweep
    :return: what its ``results.md`` says that it ran on
    :raises Sb3ScaleError: if the file cannot be read
    """
    path = folder / "results.md"
    if not path.is_file():
        return UNKNOWN
    found = re.search(r"Commit of the working folder: .*?\. (.+ cores, .+ GiB);", _text(path))
    return found[1] if found else UNKNOWN


def _text(path: Path) -> str:
    try:
        with path.open(errors="replace") as file:
            text = file.read(100 * LONGEST)
    except OSError as error:
        raise Sb3ScaleError(f"'{path}' cannot be read: {error.strerror}") from None
    return " ".join(text.split()) if path.suffix == ".md" else " ".join(text.split())[:LONGEST]


def _versions(folder: Path) -> str:
    """Of the model's file, which Stable-Baselines3 writes."""
    for path in sorted(folder.glob("*.zip")):
        try:
            with ZipFile(path) as archive:
                check_size(archive, path.stat().st_size)
                text = archive.read("system_info.txt").decode(errors="replace")
        except KeyError:
            continue
        except DAMAGE as error:
            raise Sb3ScaleError(f"'{path}' cannot be read: {error}") from None
        lines = (line.strip("- ") for line in text.splitlines())
        return ", ".join(line for line in lines if line)[:LONGEST]
    return UNKNOWN
