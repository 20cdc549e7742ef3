"""
Statistics over tasks and seeds, with intervals of a bootstrap stratified by task.

They follow Agarwal et al., Deep Reinforcement Learning at the Edge of the Statistical Precipice,
2021, arXiv:2108.13264. Tasks may have different numbers of seeds: each counts the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Scores = Sequence[Array]
"""Normalised returns of a label, one array per task: shape ``(seeds,)``, or ``(draws, seeds)``."""

Number = TypeVar("Number", bound=np.generic)

DRAWS = 2000
"""Of a bootstrap."""
LEVEL = 95
"""Of an interval, percent."""


@dataclass(frozen=True)
class Estimate:
    """
    A statistic with its interval.

    :param value: of the scores themselves
    :param low: lower end, not a number where there is no interval
    :param high: upper end, not a number where there is no interval
    """

    value: Array
    low: Array
    high: Array


def iqm(scores: Scores) -> Array:
    """
    :param scores: of a label
    :return: mean of the middle half of all scores, shape ``()`` or ``(draws,)``
    """
    count = sum(task.shape[-1] for task in scores)
    # rliable cuts whole scores too.
    cut = int(0.25 * count) / count
    values = np.concatenate(scores, axis=-1)
    order = values.argsort(axis=-1)
    upper = _weights(scores)[order].cumsum(axis=-1)
    lower = np.concatenate([np.zeros_like(upper[..., :1]), upper[..., :-1]], axis=-1)
    share = np.clip(np.minimum(upper, 1 - cut) - np.maximum(lower, cut), 0, None)
    sorted_values = np.take_along_axis(values, order, axis=-1)
    return np.asarray((share * sorted_values).sum(axis=-1) / share.sum(axis=-1))


def _weights(scores: Scores) -> Array:
    tasks = len(scores)
    return np.concatenate([np.full(n, 1 / (n * tasks)) for n in (one.shape[-1] for one in scores)])


def _task_means(scores: Scores) -> Array:
    return np.stack([task.mean(axis=-1) for task in scores], axis=-1)


def median(scores: Scores) -> Array:
    """
    :param scores: of a label
    :return: median over tasks of the mean over seeds, shape ``()`` or ``(draws,)``
    """
    return np.asarray(np.median(_task_means(scores), axis=-1))


def mean(scores: Scores) -> Array:
    """
    :param scores: of a label
    :return: mean over tasks of the mean over seeds, shape ``()`` or ``(draws,)``
    """
    return np.asarray(_task_means(scores).mean(axis=-1))


def optimality_gap(scores: Scores) -> Array:
    """
    :param scores: of a label
    :return: how far scores stay below 1 on average, shape ``()`` or ``(draws,)``
    """
    return 1 - mean([np.minimum(task, 1) for task in scores])


def profile(scores: Scores, thresholds: Array) -> Array:
    """
    :param scores: of a label
    :param thresholds: shape ``(k,)``
    :return: share of the runs that score above each, shape ``(k,)`` or ``(draws, k)``
    """
    values, weights = np.concatenate(scores, axis=-1), _weights(scores)
    return np.stack([(values > one) @ weights for one in thresholds], axis=-1)


AGGREGATES: dict[str, Callable[[Scores], Array]] = {
    "IQM": iqm,
    "median": median,
    "mean": mean,
    "optimality gap": optimality_gap,
}
"""Statistics of a label by name; of the last, less is better."""


def drawn(
    scores: Sequence[NDArray[Number]], generator: np.random.Generator, draws: int = DRAWS
) -> list[NDArray[Number]]:
    """
    :param scores: one array per task, seeds first
    :param generator: of the draws
    :param draws: how many
    :return: each task's seeds drawn anew with replacement, shape ``(draws, seeds, ...)`` each
    """
    return [task[generator.integers(len(task), size=(draws, len(task)))] for task in scores]


def has_spread(scores: Scores) -> bool:
    """
    :param scores: one array per task, seeds first
    :return: whether each task has two seeds or more
    """
    return all(len(task) > 1 for task in scores)


def estimate(
    statistic: Callable[[Scores], Array], scores: Scores, draws: Sequence[Array]
) -> Estimate:
    """
    :param statistic: of scores
    :param scores: themselves
    :param draws: of :func:`drawn`
    :return: with the interval between the outer percentiles of the draws
    """
    value = np.asarray(statistic(scores))
    if not has_spread(scores):
        return without_interval(value)
    return Estimate(value, *percentiles(statistic(draws)))


def without_interval(value: Array) -> Estimate:
    """
    :param value: of a statistic
    :return: it alone
    """
    return Estimate(value, np.full_like(value, np.nan), np.full_like(value, np.nan))


def percentiles(values: Array) -> Array:
    """
    :param values: of the draws, shape ``(draws, ...)``
    :return: both ends of the interval, shape ``(2, ...)``
    """
    outside = (100 - LEVEL) / 2
    return np.percentile(values, [outside, 100 - outside], axis=0)


def improvement(ours: Scores, theirs: Scores, generator: np.random.Generator) -> Estimate:
    """
    :param ours: scores of a label
    :param theirs: of another, on the same tasks
    :param generator: of the draws
    :return: probability that a run of ours scores higher than one of theirs on the same task, ties
        half, averaged over tasks
    """
    values, draws = [], []
    for one, other in zip(ours, theirs, strict=True):
        wins = (one[:, None] > other) + 0.5 * (one[:, None] == other)
        values.append(wins.mean())
        left, right = (_counts(len(each), generator) for each in (one, other))
        draws.append(np.einsum("bi,ij,bj->b", left, wins, right) / wins.size)
    value = np.asarray(np.mean(values))
    if not (has_spread(ours) and has_spread(theirs)):
        return without_interval(value)
    return Estimate(value, *percentiles(np.mean(draws, axis=0)))


def _counts(seeds: int, generator: np.random.Generator) -> Array:
    """How often each seed was drawn, shape ``(DRAWS, seeds)``."""
    return generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=DRAWS).astype(np.float64)
