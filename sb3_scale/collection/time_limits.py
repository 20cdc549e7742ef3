"""How long an episode may be."""

import math
from collections.abc import Iterable
from numbers import Real
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec
from stable_baselines3.common.vec_env import VecEnv

from sb3_scale.errors import Sb3ScaleError, shown

LENGTHS = ("max_episode_steps", "_max_episode_steps")
"""Attributes that say it; the second is that of Gymnasium's TimeLimit."""


def max_episode_steps(env: VecEnv) -> int | None:
    """
    The least of the spec that Gymnasium keeps, of a ``TimeLimit``, and of an attribute
    ``max_episode_steps``, which a class can have that ends its episodes itself.

    :param env: the environments, of which the first counts
    :return: decisions in the longest episode, if that is known
    :raises Sb3ScaleError: if the attribute is no length
    """
    spec = gymnasium_spec(env)
    limits: list[Any] = [] if spec is None else [spec.max_episode_steps]
    for name in LENGTHS:
        if env.has_attr(name):
            limits += env.get_attr(name, 0)
    return least(limits)


def lengths_of(env: "gymnasium.Env[Any, Any]") -> dict[str, Any]:
    """
    :param env: one environment
    :return: its attributes of :data:`LENGTHS`, unchecked
    """
    return {name: env.get_wrapper_attr(name) for name in LENGTHS if env.has_wrapper_attr(name)}


def least(limits: Iterable[Any]) -> int | None:
    """
    :param limits: lengths, some of which may stand for none
    :return: the shortest, if one is a limit
    :raises Sb3ScaleError: if one is no length
    """
    return min((int(each) for each in limits if _is_limit(each)), default=None)


def gymnasium_spec(env: VecEnv) -> EnvSpec | None:
    """
    :param env: the environments, of which the first counts
    :return: how Gymnasium makes it, if it does
    :raises Sb3ScaleError: if its process cannot send that, and has ended over it
    """
    try:
        found: EnvSpec | None = env.get_attr("spec", 0)[0] if env.has_attr("spec") else None
    except EOFError as error:
        raise Sb3ScaleError(
            f"{type(env).__name__} cannot send the Gymnasium spec of its environment, in which an "
            "argument cannot be pickled; allowed: arguments of gymnasium.make that can, or an "
            "environment without a spec"
        ) from error
    return found


def _is_limit(value: Any) -> bool:
    # Gymnasium writes -1 for none.
    if value in (None, -1, math.inf):
        return False
    if not isinstance(value, Real) or value < 1 or value % 1:
        raise Sb3ScaleError(
            f"max_episode_steps of the environment is {shown(value)}; allowed: a whole number "
            "above 0, or None"
        )
    return True
