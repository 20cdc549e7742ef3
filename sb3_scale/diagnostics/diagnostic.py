"""What all diagnostics share: when they measure, and where the figures go."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch as th
from numpy.typing import NDArray
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import TensorBoardOutputFormat
from torch import nn

from sb3_scale.errors import Sb3ScaleError, check_at_least
from sb3_scale.learning.update import Learner
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.policies import ScalePolicy

_NO_HISTOGRAMS = ("stdout", "log", "json", "csv")
"""Outputs of Stable-Baselines3 that have numbers and texts alone."""


class Diagnostic(BaseCallback):
    """
    Measures where the count of environment steps passes a multiple of ``interval``.

    Nothing is measured before the first gradient step of a training. Figures are logged as
    ``diagnostics/<key>/...``.

    :param interval: environment steps (decisions) from one measurement to the next
    """

    key: ClassVar[str]
    """Of the figures; with ``-`` for ``_`` the name in a YAML file."""

    model: Any

    def __init__(self, interval: int = 1000) -> None:
        super().__init__()
        check_at_least(1, interval=interval)
        self.interval = interval

    def _on_training_start(self) -> None:
        policy = self.model.policy
        if not isinstance(policy, ScalePolicy):
            raise Sb3ScaleError(
                f"callback '{self.key.replace('_', '-')}' cannot measure "
                f"{type(policy).__name__}; allowed: policy: ScalePolicy"
            )
        self._steps_seen = self.model.num_timesteps
        self._updates_at_start = self.model._n_updates

    def _on_step(self) -> bool:
        due = self.num_timesteps // self.interval > self._steps_seen // self.interval
        self._steps_seen = self.num_timesteps
        if due and self.model._n_updates > self._updates_at_start:
            self.measure()
        return True

    def measure(self) -> None:
        """Measure now, between two gradient steps."""
        raise NotImplementedError

    def record(self, name: str, value: float) -> None:
        """
        :param name: of the figure, for instance ``critic/sum``
        :param value: the figure
        """
        self.logger.record(f"diagnostics/{self.key}/{name}", value)

    @property
    def draws_histograms(self) -> bool:
        """Whether anything that is logged to can draw one."""
        outputs = self.logger.output_formats
        return any(isinstance(output, TensorBoardOutputFormat) for output in outputs)

    def record_histogram(self, name: str, values: th.Tensor | NDArray[np.floating[Any]]) -> None:
        """
        Log a distribution to TensorBoard alone, as ``histograms/<key>/<name>``.

        :param name: of what the values are of, for instance ``critic/output``
        :param values: of any shape; what is not finite is left out
        """
        if not self.draws_histograms:
            return
        numbers = th.as_tensor(values).detach().flatten().cpu()
        finite = numbers[numbers.isfinite()]
        # TensorBoard raises where there is nothing to count.
        if len(finite):
            self.logger.record(f"histograms/{self.key}/{name}", finite, exclude=_NO_HISTOGRAMS)

    def record_layers(self, part: str, layers: Mapping[str, th.Tensor]) -> list[float]:
        """
        Log a figure per layer, not shown in the terminal.

        :param part: its name, such as ``actor`` or ``critic``
        :param layers: scalars by the name of the layer
        :return: the scalars
        """
        values: list[float] = th.stack(list(layers.values())).tolist()
        for name, value in zip(layers, values, strict=True):
            self.logger.record(f"diagnostics/{self.key}/{part}/{name}", value, exclude="stdout")
        return values


def watched(model: Any) -> dict[str, Learner]:
    """
    :param model: the algorithm
    :return: learners by name that have linear layers and an optimiser of their own
    """
    found: dict[str, Learner] = {}
    seen: set[int] = set()
    for learner in model.learners:
        has_layers = any(named_linear_layers(module) for module in learner.modules.values())
        if has_layers and id(learner.optimizer) not in seen:
            found[learner.name] = learner
        seen.add(id(learner.optimizer))
    return found


def parts(model: Any) -> dict[str, nn.Module]:
    """
    :param model: the algorithm
    :return: what it trains that has linear layers, by name: actor, critic, a learned extractor
    """
    return {
        name: module
        for learner in watched(model).values()
        for name, module in learner.modules.items()
        if named_linear_layers(module)
    }


def named_linear_layers(module: nn.Module) -> dict[str, EnsembleLinear]:
    """
    :param module: an actor or critic
    :return: its ensemble linear layers by their path, such as ``network.linears.0``, input first
    """
    return {
        name: layer for name, layer in module.named_modules() if isinstance(layer, EnsembleLinear)
    }
