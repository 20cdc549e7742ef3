"""The arguments of a task, checked before it is made."""

import inspect
from collections.abc import Mapping
from typing import Any

import gymnasium
from gymnasium.envs.registration import load_env_creator

from sb3_scale.errors import Sb3ScaleError, check_key, shown


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
    own = _parameters(env_id)
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in own.values()):
        return
    known = {*own, *inspect.signature(gymnasium.make).parameters} - {"id", "kwargs"}
    for key, value in env_kwargs.items():
        check_key(f"env_kwargs: '{env_id}' has no argument", key, value, known)


def _parameters(env_id: str) -> Mapping[str, inspect.Parameter]:
    entry_point = gymnasium.spec(env_id).entry_point
    try:
        creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
        return inspect.signature(creator).parameters if creator else {}
    except Exception as error:
        raise Sb3ScaleError(f"'{env_id}' cannot be made: {error}") from error
