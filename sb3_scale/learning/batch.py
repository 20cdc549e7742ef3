"""What a gradient step is given, and what it computes on its way."""

from dataclasses import dataclass, field, fields, replace
from typing import Any, NamedTuple

import torch as th
from stable_baselines3.common.type_aliases import PyTorchObs
from torch.utils._pytree import tree_leaves, tree_map_only


class Transitions(NamedTuple):
    """
    Single steps, all drawn alike; ``b`` of them.

    :param observations: ``s``, as the replay buffer gives them
    :param actions: ``(b, action_dim)``
    :param next_observations: ``s'``, one step later
    """

    observations: PyTorchObs
    actions: th.Tensor
    next_observations: PyTorchObs


@dataclass(frozen=True)
class Batch:
    """
    What was sampled for one gradient step; ``b`` transitions.

    :param observations: ``s``, as the replay buffer gives them
    :param next_observations: ``s'``
    :param actions: ``(b, action_dim)``
    :param rewards: ``(b, 1)``, n-step returns where the buffer makes them
    :param discounts: gamma to the power of the steps, 0 where the episode terminated, ``(b, 1)``
    :param importance_weights: of the transitions in the critic's loss, ``(b, 1)``, where the buffer
        gives them
    :param indices: which transitions, for the buffer that gave the weights
    :param transitions: single steps, for learners that ask for them
    :param copies: of the transitions that ``observations`` has one after the other, ``K`` of DrQ: a
        transform may give as many differing views of ``s``, ``(copies * b, ...)``
    :param next_copies: likewise of ``next_observations``, ``M`` of DrQ
    """

    observations: PyTorchObs
    next_observations: PyTorchObs
    actions: th.Tensor
    rewards: th.Tensor
    discounts: th.Tensor
    importance_weights: th.Tensor | None = None
    indices: Any = None
    transitions: Transitions | None = None
    copies: int = 1
    next_copies: int = 1

    def __len__(self) -> int:
        """
        :return: number of transitions
        """
        return len(self.actions)

    def tensors(self) -> list[th.Tensor]:
        """
        :return: all of them, in a fixed order
        """
        leaves = tree_leaves([getattr(self, each.name) for each in fields(self)])
        return [leaf for leaf in leaves if isinstance(leaf, th.Tensor)]

    def kinds(self, copies: int, next_copies: int) -> list[tuple[tuple[int, ...], th.dtype]]:
        """
        :param copies: of the transitions in ``observations``
        :param next_copies: in ``next_observations``
        :return: shape and type that each of :meth:`tensors` has with so many copies
        """
        found = []
        held = {
            "observations": (self.copies, copies),
            "next_observations": (self.next_copies, next_copies),
        }
        for each in fields(self):
            present, wanted = held.get(each.name, (1, 1))
            for leaf in tree_leaves(getattr(self, each.name)):
                if isinstance(leaf, th.Tensor):
                    rows = len(leaf) // present * wanted
                    found.append(((rows, *leaf.shape[1:]), leaf.dtype))
        return found

    def clone(self) -> "Batch":
        """
        :return: a copy in memory of its own
        """
        copies = {
            each.name: tree_map_only(th.Tensor, th.clone, getattr(self, each.name))
            for each in fields(self)
        }
        return replace(self, **copies)


@dataclass
class Step:
    """
    A batch on its way through one gradient step, with what the learners leave for later ones.

    :param batch: what was sampled, transformed once the critic has seen it
    :param features: of ``s``, ``(b, features_dim)``, of all copies during the critic's loss; with a
        gradient then where the critic trains the extractor, without one afterwards
    :param next_features: of ``s'`` by the target extractor, ``(b, features_dim)``, likewise
    :param own_next_features: of ``s'`` by the extractor itself, where that is another and the
        critic's loss needs them, else ``next_features``; all copies; with a gradient during the
        critic's loss where it reads s and s' as one batch
    :param td_errors: how far the critic was from its target, where the buffer gives weights,
        ``(b,)``
    :param shared: other tensors by name, without gradient, such as the ``log_prob`` of the actor's
        own actions, which the temperature reads
    """

    batch: Batch
    features: Any = None
    next_features: Any = None
    own_next_features: Any = None
    td_errors: th.Tensor | None = None
    shared: dict[str, th.Tensor] = field(default_factory=dict)
