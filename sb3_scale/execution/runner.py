"""The gradient steps of a ``train`` call."""

import math
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch as th
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.learning.batch import Batch, Step
from sb3_scale.learning.update import MetricsLog, Update
from sb3_scale.replay.weighted import has_priorities


@dataclass
class Done:
    """
    Gradient steps that were taken.

    :param step: the last of them
    :param n_updates: its number
    :param metrics: of all
    """

    step: Step
    n_updates: int
    metrics: MetricsLog


class Runner(Protocol):
    """Takes gradient steps."""

    def run(self, batches: Iterable[Batch], n_updates: int) -> Done:
        """
        :param batches: one per gradient step
        :param n_updates: gradient steps before them
        :return: the last of them, and the metrics of all
        """


class EagerRunner:
    """
    Takes one step after the other.

    :param update: the gradient step
    :param model: counts the steps; its replay buffer is told the errors that it wants, and the
        folder of its logger gets a batch that led to a loss that is not finite
    """

    def __init__(self, update: Update, model: OffPolicyAlgorithm) -> None:
        self.update = update
        self._model = model

    @property
    def errors_wanted(self) -> bool:
        """Whether the present replay buffer wants errors, which may have been loaded."""
        return has_priorities(self._model.replay_buffer)

    def run(self, batches: Iterable[Batch], n_updates: int) -> Done:
        """
        :param batches: one per gradient step
        :param n_updates: gradient steps before them
        :return: the last of them, and the metrics of all
        :raises Sb3ScaleError: if a loss is not finite and a replay buffer noticed it
        """
        metrics, step = MetricsLog(), None
        try:
            for batch in batches:
                n_updates += 1
                self._model._n_updates = n_updates
                step = self.update.step(batch, n_updates, metrics)
                if step.td_errors is not None:
                    buffer: Any = self._model.replay_buffer
                    buffer.update_priorities(batch.indices, step.td_errors)
        except Sb3ScaleError:
            # A replay buffer sees an error that is not finite before the losses are read.
            if step is not None:
                check_finite(metrics.means(), n_updates, step, self._model.logger.dir)
            raise
        assert step is not None
        return Done(step, n_updates, metrics)


def check_finite(
    metrics: Mapping[str, float], n_updates: int, step: Step, folder: str | None
) -> None:
    """
    Stop at a loss that is not a number, and keep what led to it.

    :param metrics: means of the losses
    :param n_updates: gradient steps so far
    :param step: the last one, saved with ``torch.save``
    :param folder: where to save it, a temporary folder by default
    :raises Sb3ScaleError: if a metric is not finite
    """
    for name, value in metrics.items():
        if not math.isfinite(value):
            path = Path(folder or tempfile.mkdtemp()) / f"not_finite_{n_updates}.pt"
            computed = {key: found for key, found in vars(step).items() if key != "batch"}
            given = {**vars(step.batch), **computed}
            th.save({"metrics": dict(metrics), "batch": _plain(given)}, path)
            raise Sb3ScaleError(
                f"{name} is {value} at gradient step {n_updates}; the batch is saved in {path}"
            )


def _plain(value: Any) -> Any:
    """What ``torch.load`` reads by default."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, np.ndarray):
        return th.from_numpy(value)
    return value.detach().cpu() if isinstance(value, th.Tensor) else value
