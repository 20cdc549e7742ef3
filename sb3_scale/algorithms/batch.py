"""A replay batch on its way through the update."""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch as th
from stable_baselines3.common.type_aliases import PyTorchObs
from torch.utils._pytree import tree_leaves, tree_map_only

SAMPLED = (
    "observations",
    "next_observations",
    "actions",
    "rewards",
    "not_done",
    "discounts",
    "importance_weights",
    "auxiliary",
)
"""What the replay buffer gives; the update adds the rest."""


class Transitions(NamedTuple):
    """
    What an extractor that learns apart sees; ``b`` single steps.

    :param observations: ``s``, as the replay buffer gives them
    :param actions: ``(b, action_dim)``
    :param next_observations: ``s'``
    """

    observations: PyTorchObs
    actions: th.Tensor
    next_observations: PyTorchObs


@dataclass
class Batch:
    """
    A replay batch on its way through one gradient step; ``b`` transitions.

    :param observations: ``s``, as the replay buffer gives them
    :param next_observations: ``s'``
    :param actions: ``(b, action_dim)``
    :param rewards: ``(b, 1)``, n-step returns where the buffer makes them
    :param not_done: 0 where the episode terminated, else 1, ``(b, 1)``
    :param discounts: gamma to the power of the steps, ``(b, 1)`` or a number
    :param importance_weights: of the transitions in the critic's loss, ``(b, 1)``, where the buffer
        gives them
    :param auxiliary: single steps, for an extractor that learns apart
    :param features: of ``s``, ``(b, features_dim)``; with a gradient during the critic's loss where
        the extractor learns, without one for the actor
    :param next_features: of ``s'`` by the target extractor, ``(b, features_dim)``
    :param log_prob: of the actor's own action at ``s``, without gradient, once SAC's actor loss has
        sampled it, ``(b, 1)``
    :param td_errors: how far the critic was from its target, where the buffer gives weights,
        ``(b,)``
    :param indices: which transitions, for the buffer that gave weights
    """

    observations: PyTorchObs
    next_observations: PyTorchObs
    actions: th.Tensor
    rewards: th.Tensor
    not_done: th.Tensor
    discounts: th.Tensor | float
    importance_weights: th.Tensor | None = None
    auxiliary: Transitions | None = None
    features: Any = None
    next_features: Any = None
    log_prob: th.Tensor | None = None
    td_errors: th.Tensor | None = None
    indices: Any = None

    def tensors(self) -> list[th.Tensor]:
        """
        :return: those that the replay buffer gave
        """
        leaves = tree_leaves([getattr(self, name) for name in SAMPLED])
        return [leaf for leaf in leaves if isinstance(leaf, th.Tensor)]

    def clone(self) -> "Batch":
        """
        :return: a copy of what the replay buffer gave, in memory of its own
        """
        copies = {name: tree_map_only(th.Tensor, th.clone, getattr(self, name)) for name in SAMPLED}
        return replace(self, **copies)
