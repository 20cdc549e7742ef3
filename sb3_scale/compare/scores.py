"""Where trainings can be compared, and their returns there."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sb3_scale.compare.evaluations import Training
from sb3_scale.compare.ranges import Range, choose_ranges
from sb3_scale.errors import Sb3ScaleError

Array = NDArray[np.float64]

SHOWN = 6
"""Labels in a sentence."""


@dataclass(frozen=True)
class Field:
    """
    Trainings of several labels on several tasks.

    :param trainings: all of them
    :param labels: in their order
    :param tasks: all of them, in their order
    :param common: tasks that every label has, over which statistics aggregate
    :param at: environment steps at which each task is compared
    :param ranges: what counts as 0 and as 1 on each task
    :param notes: a sentence for each thing that a reader has to know
    """

    trainings: tuple[Training, ...]
    labels: tuple[str, ...]
    tasks: tuple[str, ...]
    common: tuple[str, ...]
    at: dict[str, float]
    ranges: dict[str, Range]
    notes: tuple[str, ...]

    def of(self, label: str, task: str) -> list[Training]:
        """
        :param label: of a configuration
        :param task: id of the environment
        :return: its trainings, one per seed
        """
        return [one for one in self.trainings if (one.label, one.task) == (label, task)]

    def returns(self, label: str, task: str) -> Array:
        """
        :param label: of a configuration
        :param task: that it was trained on
        :return: of each seed where the task is compared, shape ``(seeds,)``
        """
        return np.array([return_at(one, self.at[task]) for one in self.of(label, task)])

    def normalised(self, task: str, returns: Array) -> Array:
        """
        :param task: id of the environment
        :param returns: of it, any shape
        :return: 0 and 1 where its range has them
        """
        one = self.ranges[task]
        return (returns - one.low) / (one.high - one.low)

    def scores(self, label: str) -> list[Array]:
        """
        :param label: of a configuration
        :return: normalised returns on each common task, shape ``(seeds,)`` each
        """
        return [self.normalised(task, self.returns(label, task)) for task in self.common]

    def seeds(self, label: str) -> str:
        """
        :param label: of a configuration
        :return: how many it has on the common tasks: ``"5"``, or ``"3 to 5"`` where they differ
        """
        return spread([len(self.of(label, task)) for task in self.common])


def return_at(training: Training, step: float) -> float:
    """
    :param training: that was evaluated before and after
    :param step: environment steps
    :return: mean return there, on the line between evaluations
    """
    return float(np.interp(step, training.steps, training.returns))


def spread(counts: Sequence[int]) -> str:
    """
    :param counts: at least one
    :return: the one number, or the least and the greatest
    """
    low, high = min(counts), max(counts)
    return str(low) if low == high else f"{low} to {high}"


def listed(labels: Iterable[str]) -> str:
    """
    :param labels: which may have commas of their own
    :return: for a sentence
    """
    return ", ".join(f"'{label}'" for label in labels)


def make_field(trainings: Sequence[Training], given: Mapping[str, Range], limit: int) -> Field:
    """
    :param trainings: to compare
    :param given: ranges that the user names, by task
    :param limit: environment steps at which to compare, 0 for as many as all trainings have
    :return: what can be compared
    :raises Sb3ScaleError: if no task is common to all labels, trainings of a task have no step in
        common, ``limit`` is beyond one, or a range is missing
    """
    labels = tuple(dict.fromkeys(one.label for one in trainings))
    tasks = tuple(dict.fromkeys(one.task for one in trainings))
    owners = {task: [label for label in labels if _has(trainings, label, task)] for task in tasks}
    common = tuple(task for task in tasks if len(owners[task]) == len(labels))
    if not common:
        have = [
            f"'{label}' has {', '.join(task for task in tasks if label in owners[task])}"
            for label in labels
        ]
        more = f"; and {len(have) - SHOWN} labels more" if len(have) > SHOWN else ""
        raise Sb3ScaleError(
            f"no task is common to all labels: {'; '.join(have[:SHOWN])}{more}; choose with "
            "--label those that share one"
        )
    notes = [
        f"{task} is left out of what aggregates tasks; without it: "
        f"{listed(label for label in labels if label not in owners[task])}."
        for task in tasks
        if task not in common
    ]
    at = {}
    for task in tasks:
        at[task] = _common_step([one for one in trainings if one.task == task], limit, notes)
    ranges = choose_ranges(trainings, given, at)
    for one in dict.fromkeys(ranges.values()):
        alike = ", ".join(task for task in tasks if ranges[task] == one)
        notes.append(f"{alike}: 0 is a return of {one.low:g} and 1 of {one.high:g}, {one.rule}.")
    found = Field(tuple(trainings), labels, tasks, common, at, ranges, ())
    notes += _notes_on_seeds(found)
    return Field(**{**vars(found), "notes": tuple(notes)})


def _has(trainings: Sequence[Training], label: str, task: str) -> bool:
    return any((one.label, one.task) == (label, task) for one in trainings)


def _common_step(trainings: Sequence[Training], limit: int, notes: list[str]) -> float:
    task = trainings[0].task
    shortest = min(trainings, key=lambda one: one.steps[-1])
    latest = max(trainings, key=lambda one: one.steps[0])
    step = float(shortest.steps[-1])
    if step < latest.steps[0]:
        raise Sb3ScaleError(
            f"trainings on {task} have no environment step in common: '{shortest.name}' ends at "
            f"{step:,.0f}, '{latest.name}' is first evaluated at {latest.steps[0]:,.0f}"
        )
    if limit:
        if not latest.steps[0] <= limit <= step:
            raise Sb3ScaleError(
                f"--at is {limit:,}; allowed: {latest.steps[0]:,.0f} to {step:,.0f}, which all "
                f"trainings on {task} have"
            )
        step = float(limit)
    longest = max(one.steps[-1] for one in trainings)
    if longest > step:
        where = "as --at says" if limit else f"where '{shortest.name}' ends"
        notes.append(
            f"{task}: lengths differ; compared at {step:,.0f} environment steps, {where}; the "
            f"longest training has {longest:,.0f}."
        )
    between = {one.label for one in trainings if step not in one.steps}
    if between:
        notes.append(
            f"{task}: trainings of {listed(sorted(between))} have no evaluation at "
            f"{step:,.0f} environment steps; their returns there lie on the line between the "
            "evaluations before and after."
        )
    return step


def _notes_on_seeds(found: Field) -> list[str]:
    notes = []
    counts = {label: found.seeds(label) for label in found.labels}
    alone = [
        label
        for label in found.labels
        if any(len(found.of(label, task)) == 1 for task in found.common)
    ]
    if alone:
        notes.append(
            f"One seed on a task: {listed(alone)}. One seed says nothing of the spread between "
            "seeds, so no interval is given."
        )
    few = [label for label in found.labels if label not in alone and _least(found, label) < 5]
    if few:
        notes.append(
            f"Fewer than five seeds on a task: {listed(few)}. A bootstrap of so few understates "
            "the spread: read these intervals as the least that they can be."
        )
    if len(set(counts.values())) > 1:
        notes.append("Labels have different numbers of seeds; each task counts the same.")
    return notes


def _least(found: Field, label: str) -> int:
    return min(len(found.of(label, task)) for task in found.common)
