"""Stacks of the last frames, channels first."""

from typing import cast

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from sb3_scale.errors import Sb3ScaleError

Frames = NDArray[np.uint8]


def frame_space(frame_stack: int, size: int) -> spaces.Space[Frames]:
    """
    :param frame_stack: frames in an observation
    :param size: of a frame, in pixels
    :return: of observations ``(3 * frame_stack, size, size)``
    :raises Sb3ScaleError: if there are more channels than pixels along a side
    """
    # Of two that are as short it takes the first.
    if 3 * frame_stack > size:
        raise Sb3ScaleError(
            f"frame_stack is {frame_stack} and size is {size}, so {3 * frame_stack} channels of "
            f"{size}x{size} pixels, and Stable-Baselines3 takes the shortest side of a picture for "
            f"its channels; allowed: size at least {3 * frame_stack}, or a smaller frame_stack"
        )
    box = spaces.Box(0, 255, (3 * frame_stack, size, size), np.uint8)
    return cast("spaces.Space[Frames]", box)


def first_stack(frame: Frames, frame_stack: int) -> Frames:
    """
    :param frame: of the first state of an episode, ``(height, width, 3)``
    :param frame_stack: frames in an observation
    :return: that frame, repeated, ``(3 * frame_stack, height, width)``
    """
    return np.tile(frame.transpose(2, 0, 1), (frame_stack, 1, 1))


def next_stack(stack: Frames, frame: Frames) -> Frames:
    """
    :param stack: the observation before, ``(3 * frame_stack, height, width)``
    :param frame: that follows it, ``(height, width, 3)``
    :return: a new array without the oldest frame, the newest last
    """
    following = np.empty_like(stack)
    following[:-3] = stack[3:]
    following[-3:] = frame.transpose(2, 0, 1)
    return following
