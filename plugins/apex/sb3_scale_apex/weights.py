"""What collectors have of the networks, and how it follows them."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.running_mean_std import RunningMeanStd
from stable_baselines3.common.vec_env import VecNormalize
from torch import nn

from sb3_scale.policies import ScalePolicy

ACTING = ("extractor", "actor", "action_code")
"""Of a policy, what chooses actions."""


@dataclass(frozen=True)
class Weights:
    """
    Everything of the learner that a collector follows.

    :param tensors: of the networks, in the order of :func:`tensors_of`
    :param observed: statistics that normalise observations, where they do
    :param returned: those that normalise rewards
    :param noise: the algorithm's ``action_noise``, which callbacks may change
    """

    tensors: list[np.ndarray]
    observed: RunningMeanStd | None
    returned: RunningMeanStd | None
    noise: Any


@dataclass(frozen=True)
class Networks:
    """
    Networks of the learner, or a collector's copy of them.

    :param policy: with extractor and actor, and with all its parts where priorities are computed
    :param objective: of the algorithm, for priorities
    :param judges: whether priorities are computed
    """

    policy: ScalePolicy
    objective: Any
    judges: bool

    def copy(self, optimizers: list[th.optim.Optimizer]) -> "Networks":
        """
        :param optimizers: of the policy, which the copy goes without
        :return: what a collector needs, on the CPU
        """
        names = self._names()
        others = [module for name, module in self.policy.named_children() if name not in names]
        absent: dict[int, Any] = {id(each): nn.Identity() for each in (*others, *optimizers)}
        policy = deepcopy(self.policy, absent).requires_grad_(False).to("cpu")
        objective = deepcopy(self.objective) if self.judges else None
        if objective is not None:
            objective.to("cpu")
        return Networks(policy, objective, self.judges)

    def snapshot(self) -> list[np.ndarray]:
        """
        :return: copies of all tensors
        """
        return [each.detach().to("cpu", copy=True).numpy() for each in self._tensors()]

    @th.no_grad()
    def load(self, arrays: list[np.ndarray]) -> None:
        """
        :param arrays: of :meth:`snapshot`
        """
        for ours, theirs in zip(self._tensors(), arrays, strict=True):
            # A view of shared memory cannot be written to, and PyTorch warns of it.
            ours.copy_(th.tensor(theirs))

    def _names(self) -> tuple[str, ...]:
        every = tuple(name for name, _ in self.policy.named_children())
        return every if self.judges else ACTING

    def _tensors(self) -> Iterator[th.Tensor]:
        """Each once, also where a target is the network itself."""
        modules: list[nn.Module] = [getattr(self.policy, name) for name in self._names()]
        if self.judges:
            modules.append(self.objective)
        seen = set()
        for module in modules:
            for tensor in (*module.parameters(), *module.buffers()):
                if id(tensor) not in seen:
                    seen.add(id(tensor))
                    yield tensor


def take(networks: Networks, normalize: VecNormalize | None, action_noise: Any) -> Weights:
    """
    :param networks: of the learner
    :param normalize: of its environments
    :param action_noise: of the algorithm
    :return: all as it is now
    """
    statistics = vars(normalize) if normalize is not None else {}
    observed, returned = statistics.get("obs_rms"), statistics.get("ret_rms")
    return Weights(networks.snapshot(), deepcopy(observed), deepcopy(returned), action_noise)
