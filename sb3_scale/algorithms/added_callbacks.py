"""Callbacks that an algorithm brings to ``learn``."""

from collections.abc import Sequence

from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ConvertCallback
from stable_baselines3.common.type_aliases import MaybeCallback

from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig


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
