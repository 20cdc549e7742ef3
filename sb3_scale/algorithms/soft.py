"""What SAC and CrossQ share: a stochastic actor whose entropy is part of the return."""

import math
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
import torch as th
from gymnasium import spaces
from torch import nn

from sb3_scale.actions import greatest_entropy, is_discrete
from sb3_scale.algorithms.base import ScaleAlgorithm
from sb3_scale.algorithms.options import Options, SoftOptions
from sb3_scale.algorithms.schedules import LearningRate
from sb3_scale.algorithms.spaces import DiscreteToo
from sb3_scale.algorithms.training import Training
from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.learning.discrete_soft import DiscreteSoftObjective
from sb3_scale.learning.soft import (
    FixedTemperature,
    SoftObjective,
    Temperature,
    temperature_learner,
)
from sb3_scale.learning.update import Learner
from sb3_scale.plain import plain

SHARE = 0.2
"""Of the greatest entropy of discrete actions, which ``target_entropy: auto`` aims at."""


class SoftAlgorithm(ScaleAlgorithm, DiscreteToo):
    """
    In front of an algorithm that has a temperature, as SAC of Stable-Baselines3 has it. With a
    ``ScalePolicy`` actions may be discrete.
    """

    options: ClassVar[type[Options]] = SoftOptions
    changed_after_loading = ("ent_coef", "ent_coef_optimizer_kwargs")
    discrete_parts: ClassVar[dict[str, Any]] = {
        "actor": "categorical",
        "critic": "discrete-ensemble",
    }
    stochastic_actor = True
    target_interval = "target_update_interval"

    # Set by the algorithm of Stable-Baselines3 or sb3-contrib.
    ent_coef: str | float
    log_ent_coef: th.Tensor | None
    ent_coef_tensor: th.Tensor
    ent_coef_optimizer: th.optim.Adam | None
    target_entropy: str | float

    backup_entropy: bool
    ent_coef_learning_rate: LearningRate
    ent_coef_optimizer_kwargs: dict[str, Any] | None

    def _setup_model(self) -> None:
        check_ent_coef(self.ent_coef)
        if self.scaled or self.target_entropy != "auto":
            self.target_entropy = target_entropy(self.target_entropy, self.action_space)
        super()._setup_model()

    def prepare_optimizers(self) -> None:
        """Make the temperature a parameter of a fused Adam."""
        if self.log_ent_coef is not None:
            self.log_ent_coef = nn.Parameter(self.log_ent_coef.detach())
            kwargs = self.ent_coef_optimizer_kwargs or {}
            # Fused, since the plain implementation reads its step counter on the host.
            self.ent_coef_optimizer = th.optim.Adam(
                [self.log_ent_coef], lr=self.lr_schedule(1), fused=True, **kwargs
            )

    def change(self, given: dict[str, Any]) -> None:
        """
        Begin with another temperature, or other settings of its optimiser, than a checkpoint's.

        :param given: of :attr:`changed_after_loading`
        """
        vars(self).update(given)
        if "ent_coef" in given:
            check_ent_coef(self.ent_coef)
            self._make_temperature()
            self.prepare_optimizers()
            self.training = Training(self)
        elif given and self.ent_coef_optimizer is not None:
            for group in self.ent_coef_optimizer.param_groups:
                group.update(self.ent_coef_optimizer_kwargs or {})

    def _make_temperature(self) -> None:
        """As Stable-Baselines3 makes it."""
        shape, value = th.ones(1, device=self.device), str(plain(self.ent_coef))
        self.log_ent_coef = self.ent_coef_optimizer = None
        if value.startswith("auto"):
            self.log_ent_coef = th.log(shape * float(value.partition("_")[2] or 1))
        else:
            self.ent_coef_tensor = th.tensor(float(value), device=self.device)

    def ent_coef_value(self) -> th.Tensor:
        """
        :return: the present temperature, one number
        """
        if self.log_ent_coef is None:
            return self.ent_coef_tensor
        return self.log_ent_coef.detach().exp()

    def make_objective(self) -> SoftObjective:
        """
        :return: value and entropy, with the algorithm's temperature
        """
        temperature: Temperature | FixedTemperature
        if self.log_ent_coef is None:
            temperature = FixedTemperature(self.ent_coef_tensor)
        else:
            temperature = Temperature(self.log_ent_coef, float(self.target_entropy))
        objective = DiscreteSoftObjective if is_discrete(self.action_space) else SoftObjective
        return objective(temperature, self.backup_entropy)

    def own_learners(self, objective: SoftObjective) -> Iterable[Learner]:
        """
        :param objective: whose temperature it is
        :return: the temperature, where it is learned
        """
        temperature = objective.temperature
        if isinstance(temperature, Temperature) and self.ent_coef_optimizer is not None:
            yield temperature_learner(temperature, self.ent_coef_optimizer)

    def library_optimizers(self) -> list[th.optim.Optimizer]:
        """
        :return: those that the library's class saves and gives the common learning rate
        """
        own = [] if self.ent_coef_optimizer is None else [self.ent_coef_optimizer]
        return [*super().library_optimizers(), *own]

    def own_learning_rates(self) -> dict[str, Any]:
        """
        :return: the rates of learners that have one of their own, by name; nothing for the common
        """
        return {**super().own_learning_rates(), "ent_coef": self.ent_coef_learning_rate}


def check_ent_coef(value: Any) -> None:
    """
    :param value: of the argument
    :raises Sb3ScaleError: if it cannot be understood
    """
    if isinstance(value, str) and value == "auto":
        return
    learned, number = _read(value)
    if not 0 <= number < math.inf or (learned and number == 0):
        raise Sb3ScaleError(
            f"ent_coef is {shown(value)}; allowed: auto, auto_0.1 or the like, which begins at a "
            "number above 0, or a number, at least 0, that stays"
        )


def target_entropy(given: str | float, action_space: spaces.Space[Any]) -> str | float:
    """
    Read ``auto_0.5``, which Stable-Baselines3 does not know, and ``auto`` of discrete actions.

    :param given: the argument
    :param action_space: of the environment
    :return: as Stable-Baselines3 knows it
    :raises Sb3ScaleError: if it cannot be understood
    """
    discrete = is_discrete(action_space)
    if isinstance(given, str) and given == "auto":
        return SHARE * greatest_entropy(action_space) if discrete else given
    is_share, number = _read(given)
    if not math.isfinite(number):
        auto = f"{SHARE:g} log |A|" if discrete else "-|A|"
        raise Sb3ScaleError(
            f"target_entropy is {shown(given)}; allowed: 'auto' for {auto}, 'auto_0.5' for half of "
            f"{'log |A|' if discrete else 'it'}, or a number"
        )
    if is_share and discrete:
        return number * greatest_entropy(action_space)
    if is_share:
        assert action_space.shape is not None
        return -number * float(np.prod(action_space.shape))
    return number


def _read(value: Any) -> tuple[bool, float]:
    """Whether it begins with ``auto_``, and the number; nan where there is none."""
    prefixed = isinstance(value, str) and value.startswith("auto_")
    try:
        number = float(value.removeprefix("auto_") if prefixed else value)
    except (OverflowError, TypeError, ValueError):
        number = math.nan
    return prefixed, math.nan if isinstance(value, bool) else number
