"""Arguments of what is put around environments, checked before it is made."""

import inspect
from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale.errors import Sb3ScaleError, check_above, check_key, shown
from sb3_scale.value_types import annotations, as_hinted, check_type, is_tuple


def check_arguments(owner: str, target: Any, arguments: Mapping[Any, Any], passed: int = 0) -> None:
    """
    :param owner: of the arguments, for the message
    :param target: a class or a function
    :param arguments: for it, by name
    :param passed: how many others it is given first
    :raises Sb3ScaleError: if it has no such argument, needs one more, or one has another type
    """
    known = dict(list(inspect.signature(target).parameters.items())[passed:])
    kinds = {parameter.kind for parameter in known.values()}
    hints = annotations(target)
    for name, value in arguments.items():
        if name in known or inspect.Parameter.VAR_KEYWORD not in kinds:
            check_key(f"{owner} has no argument", name, value, known)
            hint = hints.get(name, Any)
            check_type(owner, name, as_hinted(value, hint), hint)
    for name, parameter in known.items():
        named = parameter.kind not in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        )
        if named and parameter.default is parameter.empty and name not in arguments:
            raise Sb3ScaleError(f"{owner} needs the argument '{name}'")


def check_normalize(key: str, value: Any) -> None:
    """
    :param key: of the settings
    :param value: that it has; Python of RL-Zoo's notation is left to RL-Zoo
    :raises Sb3ScaleError: if it is neither, or holds what is no argument of ``VecNormalize``
    """
    if isinstance(value, str | bool | None):
        return
    if not isinstance(value, Mapping):
        raise Sb3ScaleError(f"{key} is {shown(value)}; allowed: true, false, or arguments by name")
    check_arguments(key, VecNormalize, value, passed=1)
    bounds = {name: value[name] for name in ("clip_obs", "clip_reward", "epsilon") if name in value}
    try:
        check_above(0, **bounds)
    except ValueError as error:
        raise Sb3ScaleError(f"{key}: {error}") from None
    if not 0 <= value.get("gamma", 1) <= 1:
        raise Sb3ScaleError(f"{key}: gamma is {value['gamma']}; allowed: from 0 to 1")


def check_monitor(key: str, value: Any) -> None:
    """
    :param key: of the settings
    :param value: that it has; Python of RL-Zoo's notation is left to RL-Zoo
    :raises Sb3ScaleError: if it is neither, or holds what is no argument of ``Monitor``
    """
    if isinstance(value, str | None):
        return
    if not isinstance(value, Mapping):
        raise Sb3ScaleError(f"{key} is {shown(value)}; allowed: arguments by name")
    known = list(inspect.signature(Monitor).parameters)[2:]
    for name, given in value.items():
        check_key(f"{key} has no argument", name, given, known)
    check_arguments(key, Monitor, value, passed=2)


def with_tuples(target: Any, arguments: Mapping[Any, Any]) -> dict[Any, Any]:
    """
    :param target: a class or a function
    :param arguments: for it by name, of a file, where YAML has lists
    :return: the same with tuples where it wants them
    """
    hints = annotations(target)
    return {
        name: tuple(value) if isinstance(value, list) and is_tuple(hints.get(name)) else value
        for name, value in arguments.items()
    }
