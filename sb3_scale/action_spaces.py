"""Which action spaces a ScalePolicy can act in."""

from typing import Any

import numpy as np
from gymnasium import spaces

from sb3_scale.actions import check_discrete, is_discrete
from sb3_scale.errors import Sb3ScaleError

MOST_STEPS = 2**24
"""Bound of whole actions, up to which float32 has all whole numbers."""


def check_bounds(action_space: spaces.Space[Any]) -> None:
    """
    :param action_space: of the environment
    :raises Sb3ScaleError: if actions of a Box cannot be scaled between its bounds
    """
    if not (isinstance(action_space, spaces.Box) and action_space.is_bounded()):
        return
    low, high = (each.astype(np.float64) for each in (action_space.low, action_space.high))
    with np.errstate(over="ignore"):
        widths = (high - low).astype(_bounds_type(action_space))
    wrong = ~((widths > 0) & np.isfinite(widths))
    if wrong.any():
        index = tuple(map(int, np.argwhere(wrong)[0]))
        name = f"action {', '.join(map(str, index))}" if index else "the action"
        raise Sb3ScaleError(
            f"{name} of the environment is from {low[index]:g} to "
            f"{high[index]:g}; allowed: a lower bound below the upper one, and a finite range; an "
            "action that cannot change is for a wrapper of the environment to add"
        )


def _bounds_type(action_space: spaces.Box) -> Any:
    return action_space.dtype if np.issubdtype(action_space.dtype, np.floating) else np.float64


def check_spaces(action_space: spaces.Space[Any]) -> None:
    """
    :param action_space: of the environment
    :raises Sb3ScaleError: if a ScalePolicy cannot act in it
    """
    if is_discrete(action_space):
        check_discrete(action_space)
        return
    if not (isinstance(action_space, spaces.Box) and action_space.is_bounded()):
        raise Sb3ScaleError(
            f"the action space is {action_space}; allowed with ScalePolicy: Box with finite "
            "bounds, Discrete, MultiDiscrete of one dimension"
        )
    if action_space.dtype == np.bool_ or 0 in action_space.shape:
        raise Sb3ScaleError(
            f"the action space is {action_space}; allowed with ScalePolicy: a Box of at least one "
            "number, or MultiDiscrete for choices between two"
        )
    check_bounds(action_space)
    most = MOST_STEPS if has_whole_actions(action_space) else float(np.finfo(np.float32).max)
    bounds = np.stack((action_space.low, action_space.high)).astype(np.float64)
    widest = float(np.abs(bounds).max())
    if widest > most:
        raise Sb3ScaleError(
            f"a bound of the actions is {widest:g}; allowed with ScalePolicy: at most {most:g}, "
            "since actions are float32"
        )


def has_whole_actions(action_space: spaces.Space[Any]) -> bool:
    """
    :param action_space: of the environment
    :return: whether it is a Box of whole numbers
    """
    return isinstance(action_space, spaces.Box) and np.issubdtype(action_space.dtype, np.integer)
