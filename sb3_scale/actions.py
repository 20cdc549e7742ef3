"""
Actions as environments and replay buffers have them, and as actors and critics do.

Continuous ones are the same for both, in [-1, 1]. Discrete ones are numbers out there; for actor
and critic each combination of them is one of ``n`` joint actions, whose index they give and get.
"""

import math
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_action_dim
from torch import nn

from sb3_scale.errors import Sb3ScaleError

MOST_ACTIONS = 4096
"""Joint actions: a critic has outputs for each."""


DISCRETE = (spaces.Discrete, spaces.MultiDiscrete)
"""Spaces of whole numbers that name choices."""


def is_discrete(action_space: spaces.Space[Any] | None) -> bool:
    """
    :param action_space: of an environment, nothing where there is none
    :return: whether actions are whole numbers that name choices
    """
    return isinstance(action_space, DISCRETE)


def check_discrete(action_space: spaces.Space[Any]) -> None:
    """
    :param action_space: that :func:`is_discrete`
    :raises Sb3ScaleError: if it has more dimensions than one, or too many joint actions
    """
    shape = action_space.shape or ()
    if len(shape) > 1:
        raise Sb3ScaleError(
            f"the action space is MultiDiscrete of shape {shape}; allowed with ScalePolicy: one "
            "dimension, for which a wrapper of the environment can flatten the actions"
        )
    n = math.prod(_sizes(action_space))
    if n > MOST_ACTIONS:
        raise Sb3ScaleError(
            f"the action space has {n} joint actions; allowed with ScalePolicy: at most "
            f"{MOST_ACTIONS}, since a critic has outputs for each"
        )


def greatest_entropy(action_space: spaces.Space[Any]) -> float:
    """
    :param action_space: that :func:`is_discrete`
    :return: that of a uniform choice, the logarithm of the number of joint actions, in nats
    """
    return math.log(math.prod(_sizes(action_space)))


def _sizes(action_space: spaces.Space[Any]) -> list[int]:
    return [int(n) for n in _numbers(action_space).flat]


def _numbers(action_space: spaces.Space[Any]) -> np.ndarray:
    discrete = isinstance(action_space, spaces.Discrete)
    return np.asarray(action_space.n if discrete else action_space.nvec)  # type: ignore[attr-defined]


class ContinuousActions(nn.Module):
    """
    Actions in [-1, 1], which are the same for environment, actor and critic.

    :param action_space: a box
    """

    def __init__(self, action_space: spaces.Space[Any]) -> None:
        super().__init__()
        self.dim = get_action_dim(action_space)

    def critic_dims(self, extractor: Any) -> tuple[int, int]:
        """
        :param extractor: of the policy
        :return: with which the critic is made
        """
        dims: tuple[int, int] = extractor.critic_dims(self.dim)
        return dims

    def critic_inputs(
        self, extractor: Any, features: th.Tensor, actions: th.Tensor
    ) -> tuple[th.Tensor, th.Tensor]:
        """
        :param extractor: that gave the features
        :param features: ``(b, features_dim)``
        :param actions: as a replay buffer has them, ``(b, action_dim)``
        :return: what the critic reads
        """
        read: tuple[th.Tensor, th.Tensor] = extractor.critic_inputs(features, actions)
        return read

    def to_environment(self, actions: th.Tensor) -> th.Tensor:
        """
        :param actions: of an actor, ``(b, action_dim)``
        :return: the same
        """
        return actions


class JointActions(nn.Module):
    """
    Combinations of discrete actions, numbered as ``numpy.ravel_multi_index`` does: the last one
    changes first.

    :param action_space: ``Discrete``, or ``MultiDiscrete`` of one dimension
    """

    sizes: th.Tensor
    strides: th.Tensor
    starts: th.Tensor

    def __init__(self, action_space: spaces.Discrete | spaces.MultiDiscrete) -> None:
        super().__init__()
        sizes = _sizes(action_space)
        self.dim = math.prod(sizes)
        strides = [math.prod(sizes[place + 1 :]) for place in range(len(sizes))]
        starts = np.atleast_1d(action_space.start).tolist()
        self.dtype = th.as_tensor(np.zeros(1, action_space.dtype)).dtype
        for name, values in (("sizes", sizes), ("strides", strides), ("starts", starts)):
            # Of the space, so a checkpoint has them already.
            self.register_buffer(name, th.tensor(values), persistent=False)

    def critic_dims(self, extractor: Any) -> tuple[int, int]:
        """
        :param extractor: of the policy
        :return: with which the critic is made
        """
        return extractor.critic_dims(0)[0], self.dim

    def critic_inputs(
        self, extractor: Any, features: th.Tensor, actions: th.Tensor
    ) -> tuple[th.Tensor, th.Tensor]:
        """
        :param extractor: that gave the features
        :param features: ``(b, features_dim)``
        :param actions: as a replay buffer has them, ``(b, k)``
        :return: what the critic reads, the second the index of each joint action, ``(b, 1)``
        """
        return self.critic_features(extractor, features), self.to_index(actions)

    def critic_features(self, extractor: Any, features: th.Tensor) -> th.Tensor:
        """
        :param extractor: that gave the features
        :param features: ``(b, features_dim)``
        :return: what the critic reads beside the index of an action
        """
        read: th.Tensor = extractor.critic_inputs(features, features[:, :0])[0]
        return read

    def to_index(self, actions: th.Tensor) -> th.Tensor:
        """
        :param actions: as a replay buffer has them, ``(b, k)``
        :return: index of each joint action, ``(b, 1)``
        """
        return ((actions.long() - self.starts) * self.strides).sum(dim=-1, keepdim=True)

    def to_environment(self, actions: th.Tensor) -> th.Tensor:
        """
        :param actions: indices of joint actions, ``(b, 1)``
        :return: as the environment and a replay buffer have them, ``(b, k)``
        """
        return (actions // self.strides % self.sizes + self.starts).to(self.dtype)


def action_code(action_space: spaces.Space[Any]) -> ContinuousActions | JointActions:
    """
    :param action_space: in which a ScalePolicy can act
    :return: what stands between actor and critic and the environment
    """
    if isinstance(action_space, DISCRETE):
        return JointActions(action_space)
    return ContinuousActions(action_space)
