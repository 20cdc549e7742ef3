"""Whether a replay buffer is of an algorithm's task, where its spaces are only described."""

import zlib
from typing import Any

import numpy as np
from gymnasium import spaces

from sb3_scale.errors import Sb3ScaleError


def fingerprint(space: spaces.Space[Any]) -> Any:
    """
    :param space: of observations or actions
    :return: plain data that is the same for equal spaces
    """
    if isinstance(space, spaces.Dict):
        return {key: fingerprint(each) for key, each in space.spaces.items()}
    bounds = 0
    if isinstance(space, spaces.Box):
        # Zeros of both signs are one bound.
        bounds = zlib.crc32((space.high + 0.0).tobytes(), zlib.crc32((space.low + 0.0).tobytes()))
    text = f"{type(space).__name__}{list(space.shape or ())} of {np.dtype(space.dtype).name}"
    return [text, " ".join(str(space).split())[:200], bounds]


def same_spaces(name: str, what: str, theirs: Any, ours: Any) -> None:
    """
    :param name: of the file
    :param what: ``observation_space`` or ``action_space``
    :param theirs: fingerprint of the space in the file
    :param ours: fingerprint of the algorithm's
    :raises Sb3ScaleError: if they differ; the sentence names both
    """
    if theirs != ours:
        raise Sb3ScaleError(
            f"replay buffer '{name}' is of another task: its {what} is {_shown(theirs)}, and that "
            f"of the algorithm is {_shown(ours)}"
        )


def same_number(name: str, theirs: int, ours: int) -> None:
    """
    :param name: of the file
    :param theirs: number of environments of the buffer
    :param ours: the algorithm's
    :raises Sb3ScaleError: if they differ
    """
    if theirs != ours:
        raise Sb3ScaleError(
            f"replay buffer '{name}' is of {theirs} environments, and the algorithm has {ours}; "
            "allowed: the same number"
        )


def _shown(found: Any) -> str:
    if isinstance(found, dict):
        return f"Dict({', '.join(f'{key}: {_shown(each)}' for key, each in found.items())})"[:200]
    return str(found[1])[:100] if isinstance(found, list) and len(found) > 1 else "something else"
