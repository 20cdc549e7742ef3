"""Which trainings of a sweep are still worth their time: ``stop`` of its file."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sb3_scale.errors import Sb3ScaleError, check_key, shown, suggestion
from sb3_scale.sweep import adastop
from sb3_scale.sweep.training_folder import TrainingFolder

NAME = "adastop"
DEFAULTS: dict[str, Any] = {"name": NAME, "seeds": 3, "alpha": 0.05}


Labels = tuple[str, ...]
"""Of a training, on all axes but that of the task."""


class Pair(NamedTuple):
    """Two combinations of labels on a task."""

    task: str
    ours: Labels
    theirs: Labels


@dataclass(frozen=True)
class Stop:
    """
    :param seeds: of each label between two looks at the returns
    :param alpha: probability that any difference is decided wrongly
    """

    seeds: int
    alpha: float


def read_stop(value: str | dict[str, Any]) -> Stop:
    """
    :param value: of the key ``stop`` of a sweep
    :return: what it asks for
    :raises Sb3ScaleError: if it is not ``adastop``, or a parameter is unknown or out of its range
    """
    given = {"name": value} if isinstance(value, str) else value
    for key, inner in given.items():
        check_key("stop has no parameter", key, inner, DEFAULTS)
    found = {**DEFAULTS, **given}
    if found["name"] != NAME:
        name = found["name"]
        raise Sb3ScaleError(f"stop is {shown(name)}{suggestion(str(name), [NAME])}")
    seeds, alpha = found["seeds"], found["alpha"]
    if isinstance(seeds, bool) or not isinstance(seeds, int) or not 2 <= seeds <= 100:
        raise Sb3ScaleError(f"stop.seeds is {shown(seeds)}; allowed: a whole number, 2 to 100")
    if not isinstance(alpha, float) or not 0 < alpha < 1:
        raise Sb3ScaleError(f"stop.alpha is {shown(alpha)}; allowed: above 0 and below 1")
    return Stop(seeds, alpha)


class Stopping:
    """
    Trains the seeds of a sweep in groups, and looks after each which labels are told apart.

    All pairs of labels of each task are compared. A label that is in no open pair of its task is
    trained no further there. What is decided depends on the returns alone, so a sweep that is
    started again decides the same.

    :param stop: of the file
    :param folders: of all trainings
    :param last: evaluations at the end of a training whose mean is its return
    :raises Sb3ScaleError: if the seeds do not make whole groups, or can decide nothing
    """

    def __init__(self, stop: Stop, folders: Sequence[TrainingFolder], last: int) -> None:
        self.stop = stop
        self.folders = folders
        self.last = last
        seeds = list(dict.fromkeys(one.training.seed for one in folders))
        if len(seeds) % stop.seeds:
            raise Sb3ScaleError(
                f"seeds has {len(seeds)} numbers, and stop looks after every {stop.seeds}; "
                f"allowed: a multiple of {stop.seeds}"
            )
        self.groups = [seeds[i : i + stop.seeds] for i in range(0, len(seeds), stop.seeds)]
        tasks = dict.fromkeys(one.training.env_id for one in folders)
        self.open = [
            Pair(task, *labels) for task in tasks for labels in combinations(self._labels(task), 2)
        ]
        self.contested = {pair.task for pair in self.open}
        if not self.open:
            raise Sb3ScaleError(
                "stop compares labels on a task, and each task has one; allowed: a grid with more"
            )
        self.decided: dict[Pair, tuple[int, int]] = {}
        self.failed: set[Pair] = set()
        self.known: dict[Path, float] = {}
        least = adastop.least_probability(stop.seeds, len(self.groups)) * len(self.open)
        if least > stop.alpha:
            raise Sb3ScaleError(
                f"{len(seeds)} seeds can decide nothing at stop.alpha {stop.alpha:g}, for the "
                f"greatest difference of {len(self.open)} pairs comes to {least:.2g} by chance; "
                "allowed: more seeds"
            )
        self.looks = 0

    def interims(self) -> Iterator[list[TrainingFolder]]:
        """
        :return: trainings to finish before the next look, until all pairs are decided or no seed
            is left
        """
        for group in self.groups:
            due = [one for one in self.folders if one.training.seed in group and self._wanted(one)]
            if not due:
                return
            yield due
            self.looks += 1
            self._look()

    def reached(self) -> list[TrainingFolder]:
        """
        :return: trainings that were asked for, and others that are finished all the same
        """
        seen = {seed for group in self.groups[: self.looks] for seed in group}
        return [
            one
            for one in self.folders
            if (one.training.seed in seen and self._wanted(one)) or one.finished
        ]

    def sentences(self) -> list[str]:
        """
        :return: what was decided about each pair
        """
        found = []
        for (task, *labels), (sign, seeds) in self.decided.items():
            high, low = map(_words, labels[::sign])
            found.append(f"{task}: '{high}' is above '{low}', decided with {seeds} seeds each.")
        for task, ours, theirs in self.open:
            seeds = self.looks * self.stop.seeds
            both = f"'{_words(ours)}' and '{_words(theirs)}'"
            if Pair(task, ours, theirs) in self.failed:
                found.append(f"{task}: {both} are not compared, for a training failed.")
            else:
                found.append(f"{task}: {both} are not told apart by {seeds} seeds each.")
        return found

    def _labels(self, task: str) -> list[Labels]:
        here = (one for one in self.folders if one.training.env_id == task)
        return list(dict.fromkeys(_labels(one) for one in here))

    def _wanted(self, folder: TrainingFolder) -> bool:
        task = folder.training.env_id
        # A task with one label has nothing to decide, and is trained whole.
        if task not in self.contested:
            return True
        labels = _labels(folder)
        return any(pair.task == task and labels in (pair.ours, pair.theirs) for pair in self.open)

    def _look(self) -> None:
        returns = {
            pair: (self._returns(pair.task, pair.ours), self._returns(pair.task, pair.theirs))
            for pair in self.open
        }
        # One with a failed training cannot be compared, and stays open.
        whole = {pair: both for pair, both in returns.items() if np.isfinite(both).all()}
        self.failed = returns.keys() - whole.keys()
        found = adastop.decisions(whole, len(self.open), len(self.groups), self.stop.alpha)
        for pair, sign in found.items():
            self.decided[pair] = (sign, self.looks * self.stop.seeds)
            self.open.remove(pair)

    def _returns(self, task: str, labels: Labels) -> adastop.Array:
        by_seed = {
            one.training.seed: one
            for one in self.folders
            if one.training.env_id == task and _labels(one) == labels
        }
        groups = self.groups[: self.looks]
        return np.array([[self._return(by_seed[seed]) for seed in group] for group in groups])

    def _return(self, folder: TrainingFolder) -> float:
        if folder.path not in self.known:
            if not folder.finished:
                return math.nan
            self.known[folder.path] = float(folder.read().evaluations[-self.last :].mean())
        return self.known[folder.path]


def _labels(folder: TrainingFolder) -> Labels:
    return tuple(label for axis, label in folder.training.labels.items() if axis != "env")


def _words(labels: Labels) -> str:
    """Several with commas between them; one that has a comma of its own is quoted then."""
    if len(labels) == 1:
        return labels[0]
    return ", ".join(f'"{label}"' if "," in label else label for label in labels)
