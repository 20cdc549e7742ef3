"""Settings that RL-Zoo evaluates as Python when they are strings."""

from collections.abc import Mapping
from typing import Any

from rl_zoo3 import exp_manager

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.parts import resolve
from sb3_scale.recipes.changes import PYTHON


def evaluate(hyperparams: dict[str, Any]) -> None:
    """
    Replace strings by what RL-Zoo would make of them, so that they are checked like mappings.

    :param hyperparams: settings of a task
    :raises Sb3ScaleError: if one cannot be evaluated
    """
    for key in PYTHON:
        text = hyperparams.get(key)
        if not isinstance(text, str):
            continue
        # The user's own Python, as RL-Zoo runs it with the names of that module.
        try:
            hyperparams[key] = eval(text, vars(exp_manager))
        except Exception as error:
            raise Sb3ScaleError(
                f"{key} is '{text:.100}', which is no Python that RL-Zoo can evaluate: "
                f"{type(error).__name__}: {error}"
            ) from error


def replay_buffer_class(hyperparams: Mapping[str, Any]) -> Any:
    """
    :param hyperparams: settings of a task, with a ``replay_buffer_class``
    :return: its class if it is one of our names; RL-Zoo evaluates what is none
    :raises Sb3ScaleError: if there is no such part, or a parameter is wrong
    """
    given = hyperparams["replay_buffer_class"]
    if not isinstance(given, str) or not given.replace("-", "").isidentifier():
        return given
    if given in vars(exp_manager):
        return given
    params = hyperparams.get("replay_buffer_kwargs") or {}
    # RL-Zoo evaluates a string itself, and Stable-Baselines3 then makes the buffer with it.
    params = params if isinstance(params, dict) else {}
    return resolve("replay-buffer", {"name": given, **params})[0]
