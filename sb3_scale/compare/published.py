"""Figures that others published, to show beside one's own."""

from collections.abc import Collection, Sequence
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
import pandas

from sb3_scale.compare.texts import read_csv, to_numbers
from sb3_scale.errors import Sb3ScaleError, suggestion

COLUMNS = ("env", "algorithm", "env_steps", "mean")
FURTHER = ("std", "n_seeds", "utd", "action_repeat", "source")
"""Columns that a table may have."""
MOST = 8
"""Algorithms that a figure keeps apart."""


def read_published(path: Path) -> pandas.DataFrame:
    """
    :param path: of a CSV file with the columns ``env``, ``algorithm``, ``env_steps``, ``mean``
    :return: these, and what of ``std``, ``n_seeds``, ``utd``, ``action_repeat`` and ``source`` it
        has
    :raises Sb3ScaleError: if it cannot be read, lacks a column, or a figure is no number
    """
    table = read_csv(path)
    lacking = [name for name in COLUMNS if name not in table]
    if lacking:
        raise Sb3ScaleError(
            f"'{path}' has no column {', '.join(lacking)}; published figures have "
            f"{', '.join(COLUMNS)}"
        )
    for name in ("env_steps", "mean"):
        table[name] = to_numbers(path, table, name)
    for name in FURTHER:
        if name not in table:
            table[name] = ""
    return table[[*COLUMNS, *FURTHER]]


def collected() -> pandas.DataFrame:
    """
    :return: what comes with this package, as :func:`read_published` has it: tasks of DeepMind
        Control, of MuJoCo and of MyoSuite, and from pixels those named ``TASK-pixels``
    """
    with as_file(files(__package__) / "published.csv") as path:
        return read_published(path)


def choose(
    published: pandas.DataFrame, shown: Sequence[str], tasks: Collection[str]
) -> pandas.DataFrame:
    """
    :param published: of :func:`read_published`
    :param shown: algorithms to keep; all that have a task by default
    :param tasks: of the comparison
    :return: their figures of these tasks
    :raises Sb3ScaleError: if there is no such algorithm for them, or there are too many
    """
    here = published[published["env"].isin(tasks)]
    known = list(here["algorithm"].unique())
    for name in shown:
        if name not in known:
            others = list(published["env"][published["algorithm"] == name].unique())
            more = f" and {len(others) - MOST} more" if len(others) > MOST else ""
            there = f"; there are for {', '.join(others[:MOST])}{more}" if others else ""
            raise Sb3ScaleError(
                f"no published figures of '{name}' for {', '.join(tasks)}{there}"
                f"{suggestion(name, known)}"
            )
    chosen = list(dict.fromkeys(shown)) or known
    if len(chosen) > MOST:
        raise Sb3ScaleError(
            f"{len(chosen)} published algorithms; allowed: up to {MOST}, chosen with --show from "
            f"{', '.join(known)}"
        )
    return here[here["algorithm"].isin(chosen)].sort_values("env_steps")


def at_step(published: pandas.DataFrame, task: str, step: float) -> pandas.DataFrame:
    """
    :param published: of :func:`choose`
    :param task: id of the environment
    :param step: environment steps
    :return: a line per algorithm, the last that it has up to there
    """
    here = published[(published["env"] == task) & (published["env_steps"] <= step)]
    return here.groupby("algorithm", sort=False).tail(1)


def none() -> pandas.DataFrame:
    """
    :return: a table of published figures without a line
    """
    return pandas.DataFrame(columns=[*COLUMNS, *FURTHER]).astype({"env_steps": np.float64})
