"""The gradient steps of a ``train`` call."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import torch as th

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.execution.finite import check_finite
from sb3_scale.learning.batch import Batch, Step
from sb3_scale.learning.learners import MetricsLog
from sb3_scale.learning.update import Update


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
    :param begin: told the number of each gradient step before it is taken
    :param update_priorities: told indices and errors of each batch that has priorities
    :param folder: where a batch goes that led to a loss that is not finite, read when it does
    """

    def __init__(
        self,
        update: Update,
        begin: Callable[[int], None],
        update_priorities: Callable[[object, th.Tensor], None],
        folder: Callable[[], str | None],
    ) -> None:
        self.update = update
        self._begin = begin
        self._update_priorities = update_priorities
        self._folder = folder

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
                self._begin(n_updates)
                step = self.update.step(batch, n_updates, metrics)
                if step.td_errors is not None:
                    self._update_priorities(batch.indices, step.td_errors)
        except Sb3ScaleError:
            # A replay buffer sees an error that is not finite before the losses are read.
            if step is not None:
                check_finite(metrics.means(), n_updates, step, self._folder())
            raise
        assert step is not None
        return Done(step, n_updates, metrics)

