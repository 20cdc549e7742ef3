"""Which action spaces an algorithm takes with a ScalePolicy."""

from copy import deepcopy
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.noise import VectorizedActionNoise
from stable_baselines3.common.policies import BasePolicy

from sb3_scale.actions import DISCRETE, is_discrete
from sb3_scale.algorithms.checks import is_scale_policy
from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.generators import kept_generators
from sb3_scale.guard import told


class DiscreteToo(BaseAlgorithm):
    """
    Behind ``OffPolicyAlgorithm`` in the order of an algorithm's bases, where that asks for the
    spaces that the library's class knows: with a ``ScalePolicy`` discrete ones are known too.

    :param policy: the policy class or its name
    :param supported_action_spaces: of the library's class
    :param kwargs: others of ``BaseAlgorithm``, as ``OffPolicyAlgorithm`` gives them
    """

    def __init__(
        self,
        policy: str | type[BasePolicy],
        supported_action_spaces: tuple[type[spaces.Space[Any]], ...] | None = None,
        **kwargs: Any,
    ) -> None:
        if supported_action_spaces is not None and is_scale_policy(policy):
            supported_action_spaces = (*supported_action_spaces, *DISCRETE)
        super().__init__(policy, supported_action_spaces=supported_action_spaces, **kwargs)


def refuse_discrete(owner: str, action_space: spaces.Space[Any]) -> None:
    """
    :param owner: an algorithm with a deterministic actor
    :param action_space: of the environment
    :raises Sb3ScaleError: if its actions are discrete
    """
    if is_discrete(action_space):
        raise Sb3ScaleError(
            f"the action space is {action_space}, and the actor of {owner} is deterministic, which "
            "needs continuous actions; allowed: Box, or an algorithm with a stochastic actor, such "
            "as sac or crossq"
        )


def check_exploration(model: Any) -> None:
    """
    :param model: the algorithm, with its action space
    :raises Sb3ScaleError: if noise would be added to discrete actions, or cannot be added to these
    """
    noise = model.action_noise
    if noise is None:
        return
    if is_discrete(model.action_space):
        raise Sb3ScaleError(
            f"action_noise is {model.action_noise}, and the action space is {model.action_space}; "
            "allowed: nothing, since discrete actions are sampled by the actor"
        )
    shape = model.action_space.shape
    if isinstance(noise, VectorizedActionNoise):
        shape = (model.n_envs, *shape)
    try:
        with kept_generators():
            drawn = np.asarray(deepcopy(noise)(), np.float32)
        fits = np.broadcast_shapes(drawn.shape, shape) == shape and drawn.ndim == len(shape)
    # A noise of a user may raise anything.
    except Exception as error:
        raise Sb3ScaleError(
            f"action_noise is {shown(noise)}, which cannot be drawn: {told(error)}; allowed: noise "
            f"of shape {shape}"
        ) from error
    if not fits or not np.isfinite(drawn).all():
        raise Sb3ScaleError(
            f"action_noise is {shown(noise)}, which gives {shown(drawn)}; allowed: finite numbers "
            f"of shape {shape}"
        )
