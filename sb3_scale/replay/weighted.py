"""Replay buffers that do not draw all transitions alike, and what they give."""

import abc
from typing import Any, NamedTuple

import numpy as np
import torch as th
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale.replay.one_step import SingleStepReplay


class WeightedSamples(NamedTuple):
    """
    ``stable_baselines3.common.type_aliases.ReplayBufferSamples``, with what the draw needs made up
    for. ``b`` transitions.

    :param observations: ``(b, *shape)``
    :param actions: ``(b, action_dim)``
    :param next_observations: ``(b, *shape)``
    :param dones: ``(b, 1)``
    :param rewards: ``(b, 1)``
    :param discounts: ``(b, 1)``, or nothing for those of single steps
    :param importance_weights: of the transitions in the critic's loss, ``(b, 1)``
    :param indices: which ones, for the buffer's ``update_priorities``
    """

    observations: th.Tensor
    actions: th.Tensor
    next_observations: th.Tensor
    dones: th.Tensor
    rewards: th.Tensor
    discounts: th.Tensor | None
    importance_weights: th.Tensor
    indices: np.ndarray


class PrioritizedReplay(SingleStepReplay):
    """
    A replay buffer that draws some transitions more often than others.

    A class derives from this and from ``stable_baselines3.common.buffers.ReplayBuffer``. The update
    multiplies the gradient of each transition by its importance weight, whatever the critic's loss.
    A buffer that does not derive from this trains without weights, whatever methods it has.
    """

    progress_remaining: float
    """From 1 at the start of the training to 0 at its end, set before batches are drawn."""

    @abc.abstractmethod
    def sample(self, batch_size: int, env: VecNormalize | None = None) -> WeightedSamples:
        """
        :param batch_size: transitions to draw
        :param env: whose statistics normalise observations and rewards
        :return: tensors of ``batch_size`` rows on the buffer's device
        """

    @abc.abstractmethod
    def update_priorities(self, indices: np.ndarray, td_errors: th.Tensor) -> None:
        """
        Called after each gradient step. Errors may still be on their way to the host.

        :param indices: that came with the batch
        :param td_errors: ``|Q - target|``, the mean over critics, shape ``(b,)``
        """


def has_priorities(buffer: Any) -> bool:
    """
    :param buffer: a replay buffer, its class, or nothing
    :return: whether it is a :class:`PrioritizedReplay`
    """
    kind = buffer if isinstance(buffer, type) else type(buffer)
    return issubclass(kind, PrioritizedReplay)
