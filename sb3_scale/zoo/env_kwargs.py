"""The arguments of a task, checked before it is made."""

import inspect
from collections.abc import Mapping
from typing import Any

import gymnasium

from sb3_scale.errors import Sb3ScaleError, check_key, shown
from sb3_scale.recipes.environments import parameters_of


def check_env_kwargs(env_id: str, env_kwargs: Mapping[str, Any]) -> None:
    """
    :param env_id: a task that Gymnasium knows
    :param env_kwargs: arguments for it
    :raises Sb3ScaleError: if they are no mapping, or neither ``gymnasium.make`` nor the task has an
        argument of that name
    """
    if not isinstance(env_kwargs, Mapping):
        raise Sb3ScaleError(f"env_kwargs is {shown(env_kwargs)}; allowed: arguments by name")
    if not env_kwargs:
        return
    own = parameters_of(env_id)
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in own.values()):
        return
    known = {*own, *inspect.signature(gymnasium.make).parameters} - {"id", "kwargs"}
    for key, value in env_kwargs.items():
        check_key(f"env_kwargs: '{env_id}' has no argument", key, value, known)
