"""What a ScalePolicy can see."""

from typing import Any

import numpy as np
from gymnasium import spaces

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


def _check_one(what: str, space: "spaces.Space[Any]", inside: str) -> None:
    if not isinstance(space, READ):
        raise Sb3ScaleError(
            f"{what} is a {type(space).__name__}, {shown(space, 150)}; {ALLOWED}{inside}, which a "
            "wrapper of the environment can make"
        )
    shape: Any = space.shape
    if np.prod(shape, dtype=np.int64) == 0:
        raise Sb3ScaleError(f"{what} has the shape {shape}, so no number; {ALLOWED}, not empty")
