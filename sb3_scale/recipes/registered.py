"""What Gymnasium has under an id, asked without making it."""

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium
from gymnasium.envs.registration import load_env_creator

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.recipes.changes import REPEAT
from sb3_scale.registration import register_envs


class Repeats(NamedTuple):
    """
    How often an environment takes an action.

    :param takes: whether it can be told
    :param own: what its id or its own default says; ``None`` where both leave it to others
    """

    takes: bool
    own: Any = None

    def follows(self, asked: bool) -> bool:
        """
        :param asked: whether it is the user who names a number, and not a recipe alone
        :return: whether the number is for this environment
        """
        return self.takes and (asked or self.own is None)


def parameters_of(env_id: str) -> Mapping[str, inspect.Parameter]:
    """
    :param env_id: an id that Gymnasium knows
    :return: what its class or function takes, by name
    :raises Sb3ScaleError: if that cannot be imported
    """
    entry_point = gymnasium.spec(env_id).entry_point
    try:
        creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
        return inspect.signature(creator).parameters if creator else {}
    except Exception as error:
        raise Sb3ScaleError(f"'{env_id}' cannot be made: {error}") from error


def repeats_of(env_id: str) -> Repeats:
    """
    :param env_id: an id that Gymnasium knows
    :return: how often it takes an action
    :raises Sb3ScaleError: as :func:`parameters_of`
    """
    return repeats_with(parameters_of(env_id), gymnasium.spec(env_id).kwargs)


def repeats_with(parameters: Mapping[str, inspect.Parameter], given: Mapping[str, Any]) -> Repeats:
    """
    :param parameters: of what makes an environment
    :param given: arguments that it has already
    :return: how often the environment takes an action
    """
    if REPEAT in given:
        return Repeats(True, given[REPEAT])
    if REPEAT not in parameters:
        return Repeats(False)
    default = parameters[REPEAT].default
    return Repeats(True, None if default in (1, None, inspect.Parameter.empty) else default)


def with_own_repeat(env_id: str, env_kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """
    :param env_id: a task, which Gymnasium need not know here
    :param env_kwargs: arguments for it
    :return: the same, and the ``action_repeat`` that the task has of its own where they have none
    """
    register_envs()
    if REPEAT in env_kwargs or env_id not in gymnasium.registry:
        return dict(env_kwargs)
    try:
        own = repeats_of(env_id).own
    except Sb3ScaleError:
        # What cannot be imported here may have been trained elsewhere.
        return dict(env_kwargs)
    return {REPEAT: own, **env_kwargs} if isinstance(own, int) else dict(env_kwargs)
