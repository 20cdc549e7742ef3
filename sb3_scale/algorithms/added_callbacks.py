"""Callbacks that an algorithm brings to ``learn``, or cannot have there."""

import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ConvertCallback
from stable_baselines3.common.type_aliases import MaybeCallback

from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig
from sb3_scale.quantities import is_number

TRAINS_A_COPY = (
    "trains a copy that it loads as the library's own SAC or TQC and that does not know "
    "ScalePolicy; allowed: collector: overlapped"
)
"""What RL-Zoo's ParallelTrainCallback does."""


def with_callbacks(given: MaybeCallback, parts: Sequence[PartConfig]) -> CallbackList:
    """
    :param given: to ``learn``
    :param parts: callbacks by name
    :return: those of the user first, then these
    :raises Sb3ScaleError: if a part is wrong
    """
    if isinstance(given, list):
        users = given
    elif isinstance(given, BaseCallback):
        users = [given]
    else:
        users = [] if given is None else [ConvertCallback(given)]
    return CallbackList([*users, *(build("callback", part) for part in parts)])


def check_learn(
    callback: Any, log_interval: Any, tb_log_name: Any, reset_num_timesteps: Any
) -> None:
    """
    :param callback: of ``learn``
    :param log_interval: of ``learn``
    :param tb_log_name: of ``learn``
    :param reset_num_timesteps: of ``learn``
    :raises Sb3ScaleError: if one of them cannot be used
    """
    # Zero and one are common, and NumPy's are no numbers to Python.
    if not isinstance(reset_num_timesteps, (bool, int, np.bool_)):
        raise Sb3ScaleError(
            f"reset_num_timesteps is {shown(reset_num_timesteps)}; allowed: true, false"
        )
    if not isinstance(tb_log_name, str | None):
        raise Sb3ScaleError(f"tb_log_name is {shown(tb_log_name)}; allowed: a folder's name")
    if log_interval is not None and (not is_number(log_interval) or log_interval == 0):
        raise Sb3ScaleError(
            f"log_interval is {shown(log_interval)}; allowed: a number of episodes, or None"
        )
    if callback is None or (callable(callback) and not isinstance(callback, type)):
        return
    for each in callback if isinstance(callback, list) else [callback]:
        if not isinstance(each, BaseCallback):
            raise Sb3ScaleError(
                f"callback is {shown(each)}; allowed: a callback such as "
                "stable_baselines3.common.callbacks.EvalCallback(...), a list of them, or a "
                "function"
            )


def refuse_parallel_training(given: MaybeCallback) -> None:
    """
    :param given: to ``learn`` of an algorithm with a ScalePolicy
    :raises Sb3ScaleError: if it is RL-Zoo's callback that trains a copy of the model
    """
    zoo = sys.modules.get("rl_zoo3.callbacks")
    if isinstance(given, CallbackList):
        given = given.callbacks
    for each in given if isinstance(given, list) else (given,):
        if isinstance(each, CallbackList):
            refuse_parallel_training(each)
        elif zoo is not None and isinstance(each, zoo.ParallelTrainCallback):
            raise Sb3ScaleError(f"{type(each).__name__} {TRAINS_A_COPY}")
