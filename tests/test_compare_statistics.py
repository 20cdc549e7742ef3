"""The statistics of sb3-scale compare, against rliable and against plain definitions."""

import warnings

import numpy as np
import pytest
from scipy.stats import trim_mean

from sb3_scale.compare import statistics
from sb3_scale.compare.statistics import AGGREGATES

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from rliable import library, metrics

THEIRS = {
    "IQM": metrics.aggregate_iqm,
    "median": metrics.aggregate_median,
    "mean": metrics.aggregate_mean,
    "optimality gap": metrics.aggregate_optimality_gap,
}


def matrix(seeds: int, tasks: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-0.2, 1.3, (seeds, tasks))


def by_task(scores: np.ndarray) -> list[np.ndarray]:
    return list(scores.T)


def rliable_draws(scores: np.ndarray, repeats: int) -> list[np.ndarray]:
    """Those that rliable makes after ``np.random.seed``, whatever ``random_state`` it is given."""
    seeds, tasks = scores.shape
    drawn = np.array([np.random.choice(seeds, (seeds, tasks)) for _ in range(repeats)])
    return [scores[drawn[:, :, task], task] for task in range(tasks)]


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(("seeds", "tasks"), [(5, 3), (3, 1), (10, 4), (7, 2)])
@pytest.mark.parametrize("name", AGGREGATES)
def test_values_and_intervals_are_those_of_rliable_with_the_same_draws(name, seeds, tasks):
    scores = matrix(seeds, tasks)
    np.random.seed(7)
    values, intervals = library.get_interval_estimates(
        {"x": scores}, lambda one: np.array([THEIRS[name](one)]), reps=100
    )
    np.random.seed(7)
    ours = statistics.estimate(AGGREGATES[name], by_task(scores), rliable_draws(scores, 100))
    np.testing.assert_allclose(ours.value, values["x"][0])
    np.testing.assert_allclose([ours.low, ours.high], intervals["x"][:, 0])


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_improvement_and_profile_are_those_of_rliable():
    ours, theirs = matrix(6, 3), np.round(matrix(4, 3, seed=1), 1)
    ours[0] = theirs[0]
    found = statistics.improvement(by_task(ours), by_task(theirs), np.random.default_rng(0))
    assert found.value == pytest.approx(metrics.probability_of_improvement(ours, theirs))
    np.random.seed(0)
    _, intervals = library.get_interval_estimates(
        {"x": [ours, theirs]},
        lambda one, other: np.array([metrics.probability_of_improvement(one, other)]),
        reps=200,
    )
    # Other draws: the ends have errors of their own.
    np.testing.assert_allclose([found.low, found.high], intervals["x"][:, 0], atol=0.06)

    thresholds = np.linspace(0, 1, 11)
    expected = library.score_distributions(ours, thresholds)
    np.testing.assert_allclose(statistics.profile(by_task(ours), thresholds), expected)


def quantile_mean(tasks: list[np.ndarray], cut: float) -> float:
    """Mean of the quantiles between the cuts, each task with the same weight, step by step."""
    weighted = sorted((value, 1 / len(task)) for task in tasks for value in task)
    ends = np.cumsum([weight for _, weight in weighted]) / len(tasks)
    places = np.linspace(cut, 1 - cut, 200_001)[1:-1]
    chosen = np.searchsorted(ends, places)
    return float(np.mean(np.array([value for value, _ in weighted])[chosen]))


def test_tasks_with_more_seeds_count_no_more():
    few, many = np.array([0.0, 0.4]), np.linspace(1, 2, 9)
    assert statistics.mean([few, many]) == pytest.approx((0.2 + 1.5) / 2)
    assert statistics.median([few, many]) == pytest.approx((0.2 + 1.5) / 2)
    assert statistics.profile([few, many], np.array([0.3]))[0] == pytest.approx(0.75)
    expected = quantile_mean([few, many], cut=2 / 11)
    assert statistics.iqm([few, many]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("seeds", range(1, 13))
def test_the_iqm_cuts_whole_runs(seeds):
    scores = np.random.default_rng(seeds).normal(size=seeds)
    assert statistics.iqm([scores]) == pytest.approx(trim_mean(scores, 0.25))


def test_intervals_hold_what_they_promise():
    """Of the mean of 20 normal seeds, in 300 trials."""
    generator, inside = np.random.default_rng(0), 0
    for _ in range(300):
        scores = [generator.normal(size=20)]
        draws = statistics.drawn(scores, generator, draws=300)
        found = statistics.estimate(statistics.mean, scores, draws)
        inside += bool(found.low <= 0 <= found.high)
    assert 0.89 <= inside / 300 <= 0.97


def test_a_task_with_one_seed_leaves_no_interval():
    alone, several = np.array([0.5]), np.array([0.1, 0.2, 0.3])
    generator = np.random.default_rng(0)
    for scores in ([alone], [alone, several], [several]):
        draws = statistics.drawn(scores, generator)
        found = statistics.estimate(statistics.iqm, scores, draws)
        assert np.isfinite(found.low) == all(len(one) > 1 for one in scores)
    assert np.isnan(statistics.improvement([alone], [several], generator).low)
