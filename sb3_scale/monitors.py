"""Reads the episodes that Stable-Baselines3's ``Monitor`` wrote in the folder of a run."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from glob import escape
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.notices import notice

if TYPE_CHECKING:
    import pandas

EARLIER = "before.monitor.csv"
"""Episodes that ended before the checkpoint that a run goes on from, and its ``decisions``."""

FINISHED_AT = "finished_at"
"""Its column of the decisions made when each episode ended."""

START = "t_start"
"""When the clock of a file began, in its header."""


@contextmanager
def reading_monitors(folder: Path) -> Iterator[None]:
    """
    :param folder: of a run, whose monitors the block reads
    :raises Sb3ScaleError: if the block cannot read them
    """
    try:
        yield
    except Sb3ScaleError:
        raise
    except ImportError as error:
        raise Sb3ScaleError(f"{error}: pip install sb3-scale") from None
    except (
        AssertionError,
        AttributeError,
        IndexError,
        LookupError,
        OSError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        text = " ".join(str(error).split())
        raise Sb3ScaleError(f"a *.monitor.csv in '{folder}' cannot be read: {text}") from None


def decisions_before(folder: Path) -> int | None:
    """
    :param folder: of a run
    :return: made before the checkpoint that it goes on from; ``None`` where it began anew
    :raises Sb3ScaleError: if the file that tells it cannot be read
    """
    path = folder / EARLIER
    if not path.exists():
        return None
    with reading_monitors(folder), path.open() as file:
        return int(_header(file.readline())["decisions"])


def read_episodes(folder: Path, repeat: int = 1) -> "pandas.DataFrame":
    """
    :param folder: of a run, with files of ``Monitor``
    :param repeat: steps of ``Monitor`` per decision, where wrappers around it repeat actions
    :return: a row per episode with its return ``r``, length ``l``, end ``t`` in seconds of wall
        clock, and ``finished_at``, the decisions made when it ended, in whose order they are
    :raises Sb3ScaleError: if a file cannot be read
    """
    from stable_baselines3.common.monitor import get_monitor_files

    with reading_monitors(folder):
        paths = [Path(name) for name in get_monitor_files(escape(str(folder)))]
        table = _read_together(paths, decisions_before(folder) or 0, repeat)
        known = table[["r", "l", "t", FINISHED_AT]].notna().all(axis=1)
    if not known.all():
        notice(
            f"{(~known).sum()} of {len(known)} episodes in '{folder}' lack their return, length or "
            "time in *.monitor.csv, and are left out"
        )
    return table[known].reset_index(drop=True)


def _read_together(paths: Sequence[Path], before: int, repeat: int) -> "pandas.DataFrame":
    import pandas

    tables = {path.name: _read_lines(path) for path in paths}
    own = [table for name, table in tables.items() if name != EARLIER]
    for table in own:
        # Environments with a file each step together.
        steps = len(own) * np.ceil(table["l"] / repeat).cumsum()
        table[FINISHED_AT] = before + steps
    found = pandas.concat(
        [one for one in tables.values() if len(one)] or [*own, *tables.values()][:1]
    )
    found["t"] -= min(table.attrs[START] for table in tables.values())
    return found.sort_values([FINISHED_AT, "t"], ignore_index=True)


def _read_lines(path: Path) -> "pandas.DataFrame":
    """As Stable-Baselines3 does, but for lines that were cut off."""
    import pandas

    header, _, lines = path.read_text().partition("\n")
    table = pandas.read_csv(StringIO(_uncut(path, lines)))
    # What pandas makes of a first line that is longer than the header.
    if not isinstance(table.index, pandas.RangeIndex):
        raise ValueError(f"'{path.name}' has a line with more fields than its header")
    table.attrs[START] = _header(header)[START]
    table["t"] += table.attrs[START]
    return table


def _header(line: str) -> Any:
    return json.loads(line.removeprefix("#"))


def _uncut(path: Path, lines: str) -> str:
    """Without a last line that a killed process did not write to its end."""
    whole, newline, cut = lines.rpartition("\n")
    if not (newline and cut):
        return lines
    notice(f"the last line of '{path}' was cut off, and is left out")
    return whole
