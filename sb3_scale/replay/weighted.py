"""Samples of a replay buffer that does not draw all transitions alike."""

from typing import Any, NamedTuple

import numpy as np
import torch as th


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
    :param weights: of the transitions in the critic's loss, ``(b, 1)``
    :param drawn: which ones, for the buffer's ``update_priorities``
    """

    observations: th.Tensor
    actions: th.Tensor
    next_observations: th.Tensor
    dones: th.Tensor
    rewards: th.Tensor
    discounts: th.Tensor | None
    weights: th.Tensor
    drawn: np.ndarray


def has_priorities(buffer: Any) -> bool:
    """
    :param buffer: a replay buffer, or its class
    :return: whether it is a :class:`sb3_scale.protocols.PrioritizedReplayBuffer`
    """
    return hasattr(buffer, "update_priorities")
