"""Exploration noise in RL-Zoo's words."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from stable_baselines3.common.noise import (
    ActionNoise,
    NormalActionNoise,
    OrnsteinUhlenbeckActionNoise,
)
from stable_baselines3.common.vec_env import VecEnv

from sb3_scale.errors import Sb3ScaleError, check_key, shown
from sb3_scale.quantities import Within
from sb3_scale.recipes.changes import Settings

NOISES: dict[str, type[NormalActionNoise] | type[OrnsteinUhlenbeckActionNoise]] = {
    "normal": NormalActionNoise,
    "ornstein-uhlenbeck": OrnsteinUhlenbeckActionNoise,
}
"""RL-Zoo's names."""


def check_noise(settings: Mapping[str, Any]) -> None:
    """
    :param settings: of a task
    :raises Sb3ScaleError: if they have a kind of noise without its size, or the other way round
    """
    given = [key for key in ("noise_type", "noise_std") if settings.get(key) is not None]
    if len(given) == 1:
        (other,) = {"noise_type", "noise_std"} - set(given)
        raise Sb3ScaleError(f"{given[0]} is {shown(settings[given[0]])}, and needs {other} too")


def take_noise(settings: Settings, env: VecEnv) -> ActionNoise | None:
    """
    :param settings: of a task, which lose the two words
    :param env: with the actions
    :return: what they ask for
    :raises Sb3ScaleError: if there is no such kind, or its size is negative or missing
    """
    check_noise(settings)
    kind, size = settings.pop("noise_type", None), settings.pop("noise_std", None)
    if kind is None:
        return None
    check_key("noise_type is", kind, size, NOISES)
    zeros = np.zeros(np.shape(env.action_space.sample()))
    return NOISES[kind](zeros, zeros + Within(0)("noise_std", size))
