"""What one training showed: a line per evaluation, with all counts that a comparison needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas
from numpy.typing import NDArray

from sb3_scale.compare.origins import Origin
from sb3_scale.recipes.gradient_steps import per_decision
from sb3_scale.runs import Run

COLUMNS = (
    "task", "label", "seed", "utd", "action_repeat", "decisions", "env_steps", "gradient_steps",
    "episodes", "mean", "std",
)  # fmt: skip
"""Of a table of evaluations; ``utd`` and ``gradient_steps`` are empty where nobody knows them."""

SECONDS = "seconds"
"""A further column, wall clock, which tables made before it do not have."""

TAKING_TURNS = ("local", "overlapped")
"""Collectors with which the settings count gradient steps; others learn while they collect."""

ON_POLICY = ("a2c", "ars", "ppo", "ppo_lstm", "trpo")
"""Algorithms whose gradient steps no setting counts."""


@dataclass(frozen=True)
class Training:
    """
    A training that was evaluated.

    :param label: of the configuration
    :param task: id of the environment
    :param seed: of the training
    :param table: its evaluations in their order, columns as in ``COLUMNS``, with ``seconds`` too
    :param origin: how it was made
    :param settings: that decide it beside the seed; none where they are not known
    :param named: whether somebody gave the label: a user, a sweep or a table
    :param continues: folder of the run in whose count it goes on, if it does
    """

    label: str
    task: str
    seed: int
    table: pandas.DataFrame
    origin: Origin
    settings: dict[str, Any] | None = None
    named: bool = True
    continues: Path | None = None

    @property
    def name(self) -> str:
        """Label and seed."""
        return f"{self.label}, seed {self.seed}"

    @property
    def steps(self) -> NDArray[np.float64]:
        """Environment steps of the evaluations."""
        return np.asarray(self.table["env_steps"], np.float64)

    @property
    def returns(self) -> NDArray[np.float64]:
        """Mean returns of the evaluations."""
        return np.asarray(self.table["mean"], np.float64)

    @property
    def seconds(self) -> NDArray[np.float64] | None:
        """Wall clock of the evaluations; none if one is not known, or before that before it."""
        values = np.asarray(self.table[SECONDS], np.float64)
        return values if np.isfinite(values).all() and (np.diff(values) >= 0).all() else None


def gradient_steps_per_decision(algo: str, settings: Mapping[str, Any]) -> float:
    """
    :param algo: name of the algorithm
    :param settings: of a run
    :return: once the training has begun; not a number where they are not counted by decisions
    """
    collector = settings.get("collector", "local")
    name = collector.get("name") if isinstance(collector, Mapping) else collector
    if algo in ON_POLICY or name not in TAKING_TURNS:
        return float("nan")
    return per_decision(algo, settings)


def evaluations(label: str, run: Run) -> pandas.DataFrame:
    """
    :param label: of the configuration
    :param run: what RL-Zoo wrote
    :return: one line per evaluation, columns as in ``COLUMNS``, with ``seconds`` too
    """
    utd = gradient_steps_per_decision(run.algo, run.settings)
    starts = run.settings.get("learning_starts", 100)
    starts = starts if isinstance(starts, (int, float)) else np.nan
    updates = np.maximum(0, run.evaluated_at - starts) * utd
    counted = np.isfinite(updates).all()
    return pandas.DataFrame(
        {
            "task": run.env_id,
            "label": label,
            "seed": run.seed,
            "utd": utd,
            "action_repeat": run.action_repeat,
            "decisions": run.evaluated_at,
            "env_steps": run.evaluated_at * run.action_repeat,
            "gradient_steps": updates.astype(int) if counted else np.nan,
            "episodes": run.evaluations.shape[1],
            "mean": run.evaluations.mean(axis=1),
            "std": run.evaluations.std(axis=1),
            SECONDS: _seconds(run).round(1),
        }
    )


def _seconds(run: Run) -> NDArray[np.float64]:
    """Between ends of episodes at their pace, after the last at that of the whole training."""
    at, after = run.finished_at, run.finished_after
    if not len(at) or at[-1] < 1 or not np.isfinite(after).all():
        return np.full(len(run.evaluated_at), np.nan)
    within = np.interp(run.evaluated_at, [0, *at], [0.0, *after])
    beyond = np.maximum(0, run.evaluated_at - at[-1])
    return np.asarray(within + beyond * after[-1] / at[-1], np.float64)
