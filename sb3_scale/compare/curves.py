"""Statistics over the course of trainings."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sb3_scale.compare import statistics
from sb3_scale.compare.scores import Field

Array = NDArray[np.float64]

POINTS = 100
"""Of a curve at most."""


@dataclass(frozen=True)
class Curve:
    """
    A label over the course of its trainings.

    :param label: of the configuration
    :param at: environment steps or seconds, shape ``(k,)``
    :param iqm: of the seeds, shape ``(k,)``
    :param seeds: trainings as lines of their own, each a pair of places and values
    """

    label: str
    at: Array
    iqm: statistics.Estimate
    seeds: tuple[tuple[Array, Array], ...] = ()


def over_steps(field: Field, label: str, task: str) -> Curve:
    """
    :param field: of trainings
    :param label: that has the task
    :param task: id of the environment
    :return: returns over environment steps, as far as all its seeds go
    """
    trainings = field.of(label, task)
    return _curve(label, [(one.steps, one.returns) for one in trainings])


def over_time(field: Field, label: str, task: str) -> Curve | None:
    """
    :param field: of trainings
    :param label: that has the task
    :param task: id of the environment
    :return: returns over seconds, as far as all its seeds go; none if a training's times are not
        known, or one ends before another is first evaluated
    """
    lines = [(one.seconds, one.returns) for one in field.of(label, task)]
    known = [(at, values) for at, values in lines if at is not None]
    if len(known) < len(lines) or max(at[0] for at, _ in known) > min(at[-1] for at, _ in known):
        return None
    return _curve(label, known)


def aggregated(field: Field, label: str) -> Curve | None:
    """
    :param field: of trainings
    :param label: of a configuration
    :return: normalised returns on all common tasks over environment steps, as far as all trainings
        of all labels go; none if one ends before another is first evaluated
    """
    lines = [
        [(one.steps, field.normalised(task, one.returns)) for one in field.of(label, task)]
        for task in field.common
    ]
    all_steps = [one.steps for one in field.trainings if one.task in field.common]
    first = max(steps[0] for steps in all_steps)
    last = min(field.at[task] for task in field.common)
    return _estimated(label, lines, _grid(all_steps, first, last)) if first <= last else None


def _curve(label: str, lines: Sequence[tuple[Array, Array]]) -> Curve:
    first, last = max(at[0] for at, _ in lines), min(at[-1] for at, _ in lines)
    curve = _estimated(label, [lines], _grid([at for at, _ in lines], first, last))
    return Curve(label, curve.at, curve.iqm, tuple(lines))


def _grid(places: Sequence[Array], first: float, last: float) -> Array:
    """Where there are evaluations, thinned out."""
    known = np.unique(np.concatenate([*places, [first, last]]))
    known = known[(known >= first) & (known <= last)]
    chosen = np.linspace(0, len(known) - 1, min(len(known), POINTS)).round().astype(int)
    return np.asarray(known[chosen], np.float64)


def _estimated(label: str, tasks: Sequence[Sequence[tuple[Array, Array]]], grid: Array) -> Curve:
    scores = [np.stack([np.interp(grid, *line) for line in lines]) for lines in tasks]
    # Which seeds are drawn, the same at all places; their values at all places would fill memory.
    seeds = [np.arange(len(one)) for one in scores]
    chosen = statistics.drawn(seeds, np.random.default_rng(0))
    parts = []
    for i in range(len(grid)):
        here = [one[:, i] for one in scores]
        draws = [values[index] for values, index in zip(here, chosen, strict=True)]
        parts.append(statistics.estimate(statistics.iqm, here, draws))
    fields = ("value", "low", "high")
    columns = (np.array([getattr(part, name) for part in parts]) for name in fields)
    return Curve(label, grid, statistics.Estimate(*columns))
