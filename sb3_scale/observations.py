"""What a ScalePolicy can see."""

from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space, is_image_space_channels_first

from sb3_scale.errors import Sb3ScaleError, shown

READ = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
"""Spaces of one tensor."""

ALLOWED = "allowed: Box, Discrete, MultiDiscrete, MultiBinary, or a Dict of these"


def check_observations(space: "spaces.Space[Any]") -> None:
    """
    :param space: of the observations
    :raises Sb3ScaleError: if no extractor can read it
    """
    if not isinstance(space, spaces.Dict):
        _check_one("the observation space", space, "")
        return
    if not space.spaces:
        raise Sb3ScaleError(f"the observation space is a Dict without a key; {ALLOWED}")
    for key, each in space.spaces.items():
        _check_one(f"the observation {shown(key)}", each, " without another inside")
    images = {key: each for key, each in space.spaces.items() if is_image_space(each)}
    first = [key for key, each in images.items() if is_image_space_channels_first(each)]  # type: ignore[arg-type]
    last = [key for key in images if key not in first]
    if first and last:
        raise Sb3ScaleError(
            f"the observation {shown(first[0])} is an image with its channels first, "
            f"{shown(last[0])} one with its channels last; allowed: the same for all, which a "
            "wrapper of the environment can make"
        )


def _check_one(what: str, space: "spaces.Space[Any]", inside: str) -> None:
    if not isinstance(space, READ):
        raise Sb3ScaleError(
            f"{what} is a {type(space).__name__}, {shown(space, 150)}; {ALLOWED}{inside}, which a "
            "wrapper of the environment can make"
        )
    if isinstance(space, (spaces.Discrete, spaces.MultiDiscrete)) and np.any(space.start):
        raise Sb3ScaleError(
            f"{what} is {space}, which begins with {space.start}; allowed: numbers from 0, which a "
            "wrapper of the environment can make"
        )
    shape: Any = space.shape
    dimensions = len(shape)
    if isinstance(space, spaces.Box) and not dimensions:
        raise Sb3ScaleError(f"{what} has no dimension; allowed: a Box of shape (1,) or more")
    if isinstance(space, spaces.MultiDiscrete) and dimensions > 1:
        raise Sb3ScaleError(
            f"{what} is MultiDiscrete of shape {shape}; allowed: one dimension, for which a "
            "wrapper of the environment can flatten it"
        )
    if np.prod(shape, dtype=np.int64) == 0:
        raise Sb3ScaleError(f"{what} has the shape {shape}, so no number; {ALLOWED}, not empty")
