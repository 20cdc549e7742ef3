"""Copies of algorithms."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from stable_baselines3.common.vec_env import VecEnvWrapper


def copied_state(model: Any, memo: dict[int, Any]) -> dict[str, Any]:
    """
    :param model: an algorithm
    :param memo: of ``deepcopy``
    :return: a copy of its state, with environments of its own; both log to the same files
    """
    if (logger := vars(model).get("_logger")) is not None:
        memo[id(logger)] = logger
    _copy_wrappers(list(_wrappers(vars(model).get("env"))), memo)
    state: dict[str, Any] = deepcopy(model.__getstate__(), memo)
    return state


def _copy_wrappers(wrappers: list[VecEnvWrapper], memo: dict[int, Any]) -> None:
    """Python cannot copy most of them, and of ``VecNormalize`` environments and returns."""
    for wrapper in wrappers:
        memo[id(wrapper)] = object.__new__(type(wrapper))
    for wrapper in wrappers:
        # Those of its class.
        memo[id(wrapper.class_attributes)] = wrapper.class_attributes
        vars(memo[id(wrapper)]).update(deepcopy(vars(wrapper), memo))


def _wrappers(env: Any) -> Iterator[VecEnvWrapper]:
    while isinstance(env, VecEnvWrapper):
        yield env
        env = env.venv
