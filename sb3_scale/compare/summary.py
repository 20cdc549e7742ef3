"""All figures of a comparison, in tables."""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas

from sb3_scale.compare import curves, published, statistics
from sb3_scale.compare.curves import Curve
from sb3_scale.compare.evaluations import Training
from sb3_scale.compare.scores import Field, listed, return_at
from sb3_scale.compare.statistics import Estimate

COUNTS = ("env_steps", "decisions", "gradient_steps", "action_repeat", "utd")


@dataclass
class Summary:
    """
    What a comparison has to show.

    :param field: of trainings
    :param published: figures of others
    :param aggregates: a line per label and statistic
    :param improvement: a line per pair of labels
    :param profile: a line per label and threshold
    :param tasks: a line per task and label, and per published algorithm
    :param runs: a line per training
    :param over_steps: curves of each task
    :param over_time: curves of each task of which times are known
    :param aggregated: curves over all common tasks
    :param notes: a sentence for each thing that a reader has to know
    """

    field: Field
    published: pandas.DataFrame
    aggregates: pandas.DataFrame = dataclasses.field(default_factory=pandas.DataFrame)
    improvement: pandas.DataFrame = dataclasses.field(default_factory=pandas.DataFrame)
    profile: pandas.DataFrame = dataclasses.field(default_factory=pandas.DataFrame)
    tasks: pandas.DataFrame = dataclasses.field(default_factory=pandas.DataFrame)
    runs: pandas.DataFrame = dataclasses.field(default_factory=pandas.DataFrame)
    over_steps: dict[str, list[Curve]] = dataclasses.field(default_factory=dict)
    over_time: dict[str, list[Curve]] = dataclasses.field(default_factory=dict)
    aggregated: list[Curve] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)

    def evaluations(self) -> pandas.DataFrame:
        """
        :return: all evaluations, as a table that can be compared again
        """
        return pandas.concat([one.table for one in self.field.trainings], ignore_index=True)

    def curve_table(self) -> pandas.DataFrame:
        """
        :return: a line per label, task, axis and place
        """
        everywhere = {"normalised, all common tasks": self.aggregated}
        groups = (
            ("env_steps", everywhere),
            ("env_steps", self.over_steps),
            ("seconds", self.over_time),
        )
        tables = [
            pandas.DataFrame(
                {
                    "task": task,
                    "label": curve.label,
                    "axis": axis,
                    "at": curve.at,
                    "iqm": curve.iqm.value,
                    "low": curve.iqm.low,
                    "high": curve.iqm.high,
                }
            )
            for axis, by_task in groups
            for task, lines in by_task.items()
            for curve in lines
        ]
        return pandas.concat(tables, ignore_index=True)


def work(found: Field) -> int:
    """
    :param found: trainings
    :return: steps of :func:`summarise`
    """
    return 1 + len(found.labels) + len(found.tasks)


def summarise(summary: Summary) -> Iterator[str]:
    """
    Fill in all that is computed.

    :param summary: with trainings and published figures
    :return: what was done, as many as :func:`work` says
    """
    found = summary.field
    generator = np.random.default_rng(0)
    aggregates, profiles = [], []
    thresholds = _thresholds(found)
    for label in found.labels:
        scores = found.scores(label)
        draws = statistics.drawn(scores, generator)
        for name, statistic in statistics.AGGREGATES.items():
            estimate = statistics.estimate(statistic, scores, draws)
            counts = {"seeds": found.seeds(label), "tasks": len(found.common)}
            aggregates.append({"label": label, "statistic": name, **_ends(estimate), **counts})
        estimate = statistics.estimate(
            lambda one: statistics.profile(one, thresholds), scores, draws
        )
        profiles.append(
            pandas.DataFrame({"label": label, "threshold": thresholds, **vars(estimate)})
        )
        curve = curves.aggregated(found, label)
        summary.aggregated += [curve] if curve else []
        yield label
    summary.aggregates = pandas.DataFrame(aggregates)
    summary.profile = pandas.concat(profiles, ignore_index=True)
    summary.improvement = _improvement(found, generator)
    yield "pairs"
    lines: list[dict[str, Any]] = []
    for task in found.tasks:
        lines += _task_lines(summary, task)
        summary.notes += _add_curves(summary, task)
        yield task
    untimed = [task for task in found.tasks if task not in summary.over_time]
    if untimed:
        tasks = ", ".join(untimed)
        summary.notes.append(f"{tasks}: no curve over wall clock, for no times are known.")
    summary.tasks = pandas.DataFrame(lines)
    summary.runs = pandas.DataFrame([_run_line(found, one) for one in found.trainings])
    summary.notes = [*found.notes, *summary.notes]


def _ends(estimate: Estimate) -> dict[str, float]:
    return {name: float(value) for name, value in vars(estimate).items()}


def _thresholds(found: Field) -> statistics.Array:
    scores = [score for label in found.labels for task in found.scores(label) for score in task]
    return np.linspace(min(0.0, *scores), max(1.0, *scores), 101)


def _improvement(found: Field, generator: np.random.Generator) -> pandas.DataFrame:
    lines: list[dict[str, Any]] = []
    for ours, theirs in combinations(found.labels, 2):
        estimate = statistics.improvement(found.scores(ours), found.scores(theirs), generator)
        pair = {"label": ours, "than": theirs}
        counts = {"seeds": found.seeds(ours), "their_seeds": found.seeds(theirs)}
        lines.append({**pair, **_ends(estimate), **counts})
    return pandas.DataFrame(lines)


def _task_lines(summary: Summary, task: str) -> list[dict[str, Any]]:
    found, lines = summary.field, []
    for label in found.labels:
        trainings = found.of(label, task)
        if not trainings:
            continue
        returns = found.returns(label, task)
        draws = statistics.drawn([returns], np.random.default_rng(0))
        estimate = statistics.estimate(statistics.iqm, [returns], draws)
        first = trainings[0]
        counts = {name: _count(first, name, found.at[task]) for name in COUNTS}
        spread = float(returns.std(ddof=1)) if len(returns) > 1 else np.nan
        lines.append(
            {
                "task": task,
                "label": label,
                "published": False,
                "seeds": str(len(returns)),
                "iqm": float(estimate.value),
                "low": float(estimate.low),
                "high": float(estimate.high),
                "mean": float(returns.mean()),
                "std": spread,
                "least": float(returns.min()),
                "greatest": float(returns.max()),
                "returns": ", ".join(f"{value:.4g}" for value in returns),
                **counts,
            }
        )
    for _, row in published.at_step(summary.published, task, found.at[task]).iterrows():
        lines.append(
            {
                "task": task,
                "label": row["algorithm"],
                "published": True,
                "seeds": row["n_seeds"],
                "mean": row["mean"],
                "std": row["std"],
                "env_steps": row["env_steps"],
                "action_repeat": row["action_repeat"],
                "utd": row["utd"],
            }
        )
    return lines


def _count(training: Training, name: str, step: float) -> float:
    """A count where the task is compared; none between evaluations has another pace."""
    values = training.table[name].to_numpy(np.float64)
    return float(np.interp(step, training.steps, values))


def _add_curves(summary: Summary, task: str) -> list[str]:
    found = summary.field
    labels = [label for label in found.labels if found.of(label, task)]
    summary.over_steps[task] = [curves.over_steps(found, label, task) for label in labels]
    timed = {label: curves.over_time(found, label, task) for label in labels}
    known = [curve for curve in timed.values() if curve]
    if known:
        summary.over_time[task] = known
    untimed = [label for label, curve in timed.items() if curve is None]
    if not untimed or not known:
        return []
    return [f"{task}: no curve over wall clock of {listed(untimed)}, whose times are not known."]


def _run_line(found: Field, training: Training) -> dict[str, Any]:
    table, origin = training.table, training.origin
    last = table.iloc[-1]
    return {
        "label": training.label,
        "task": training.task,
        "seed": training.seed,
        "return": return_at(training, found.at[training.task]),
        "compared_at": found.at[training.task],
        "last_return": last["mean"],
        "evaluations": len(table),
        "episodes_each": last["episodes"],
        **{name: last[name] for name in COUNTS},
        "minutes": round(last["seconds"] / 60, 1),
        **vars(origin),
    }
