"""Copies of algorithms."""

from copy import deepcopy
from typing import Any

from stable_baselines3.common.vec_env import VecEnvWrapper, VecNormalize


def copied_state(model: Any, memo: dict[int, Any]) -> dict[str, Any]:
    """
    :param model: an algorithm
    :param memo: of ``deepcopy``
    :return: a copy of its state, in which each ``VecNormalize`` has a copy of its environments,
        which it leaves out; both log to the same files
    """
    if (logger := vars(model).get("_logger")) is not None:
        memo[id(logger)] = logger
    state: dict[str, Any] = deepcopy(model.__getstate__(), memo)
    layer = vars(model).get("env")
    while isinstance(layer, VecEnvWrapper):
        if isinstance(layer, VecNormalize):
            memo[id(layer)].set_venv(deepcopy(layer.venv, memo))
        layer = layer.venv
    return state
