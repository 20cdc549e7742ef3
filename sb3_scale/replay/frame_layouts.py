"""How stacks of frames stand in a replay buffer: one image, or images beside numbers in a Dict."""

import math
from typing import Any, Protocol, TypeGuard

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.quantities import Whole
from sb3_scale.replay.observations import BoxLayout, DictLayout, Layout, Shape, check_keys, halves


class StackLayout(Layout, Protocol):
    """A layout whose rows are the bytes of ``frame_stack`` frames, and then those of a state."""

    channels: int
    """Of the image, or of the first of several."""

    stack_bytes: int
    state_bytes: int


class ImageLayout(BoxLayout):
    """
    One stack of frames.

    :param space: uint8, ``(frame_stack * channels, height, width)``
    :param frame_stack: frames in an observation
    :raises Sb3ScaleError: if they are no stacks of so many frames
    """

    state_bytes = 0

    def __init__(self, space: spaces.Space[Any], frame_stack: int) -> None:
        if not _is_image(space):
            found = type(space).__name__
            if space.shape is not None:
                found += f" of {space.dtype} {list(space.shape)}"
            raise _no_stacks(found)
        super().__init__(space)
        self.channels = _channels("observations", space, frame_stack)
        self.stack_bytes = math.prod(space.shape)


class ImagesAndStateLayout:
    """
    Images in a ``Dict``, frame by frame side by side, then its other keys as of ``DictLayout``.

    :param space: with at least one image, uint8 ``(frame_stack * channels, height, width)``
    :param frame_stack: frames in each image
    :raises Sb3ScaleError: if there is no image, one is no stack of so many frames, or another key
        holds what is no array
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, space: spaces.Dict, frame_stack: int) -> None:
        images = {key: each for key, each in space.spaces.items() if _is_image(each)}
        if not images:
            raise _no_stacks(f"Dict of {', '.join(map(repr, space.spaces))}, none of them an image")
        for key, each in images.items():
            _channels(f"observation '{key}'", each, frame_stack)
        others = {key: each for key, each in space.spaces.items() if key not in images}
        self._keys = list(space.spaces)
        self._images: dict[str, Shape] = {key: each.shape for key, each in images.items()}
        self._state = DictLayout(spaces.Dict(others)) if others else None
        self._frame_stack = frame_stack
        sizes = [math.prod(shape) // frame_stack for shape in self._images.values()]
        ends = np.cumsum(sizes).tolist()
        self._places = {
            key: slice(end - size, end)
            for key, size, end in zip(self._images, sizes, ends, strict=True)
        }
        self.channels = next(iter(self._images.values()))[0]
        self.stack_bytes = frame_stack * ends[-1]
        self.state_bytes = (
            0 if self._state is None else self._state.shape[0] * self._state.dtype.itemsize
        )
        self.shape: Shape = (self.stack_bytes + self.state_bytes,)

    def packed(self, name: str, observations: Any, lead: Shape) -> np.ndarray:
        """
        :param name: of the observations, for messages
        :param observations: by key, with the axes ``lead`` first
        :param lead: environments, or steps and environments
        :return: ``(*lead, *shape)``
        :raises Sb3ScaleError: if keys are missing or of another shape than in the space
        """
        check_keys(name, observations, self._keys)
        frames = []
        for key, shape in self._images.items():
            array = np.asarray(observations[key], np.uint8)
            if array.shape != lead + shape:
                raise Sb3ScaleError(
                    f"{name}['{key}'] has shape {array.shape}; allowed: {lead + shape}"
                )
            frames.append(array.reshape(*lead, self._frame_stack, -1))
        stacks = np.concatenate(frames, axis=-1).reshape(*lead, -1)
        if self._state is None:
            return stacks
        state = self._state.packed(name, observations, lead)
        return np.concatenate((stacks, state.view(np.uint8)), axis=-1)

    def batch(
        self, pairs: th.Tensor, env: VecNormalize | None, device: th.device
    ) -> list[dict[str, th.Tensor]]:
        """
        :param pairs: observations, then next observations, ``(2 b, width)``; may be overwritten
        :param env: whose statistics normalise them
        :param device: where they are wanted
        :return: observations and next observations by key, ``(b, *shape of the key)`` each
        """
        pairs = pairs.to(device, non_blocking=True)
        frames = pairs[:, : self.stack_bytes].view(len(pairs), self._frame_stack, -1)
        found = {
            key: frames[..., place].reshape(len(pairs), -1) for key, place in self._places.items()
        }
        shapes = dict(self._images)
        if self._state is not None:
            # Its types are read from whole words, which a row of bytes need not begin with.
            state = pairs[:, self.stack_bytes :].contiguous()
            found |= self._state.parts(state)
            shapes |= self._state.shapes
        return halves({key: found[key] for key in self._keys}, shapes, env)

    def unpacked(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """
        :param rows: ``(..., width)``
        :return: by key, ``(..., *shape of the key)``, copies
        """
        lead = rows.shape[:-1]
        frames = rows[..., : self.stack_bytes].reshape(*lead, self._frame_stack, -1)
        found = {
            key: frames[..., place].reshape(*lead, *self._images[key])
            for key, place in self._places.items()
        }
        found |= self.numbers(rows)
        return {key: found[key] for key in self._keys}

    def numbers(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """
        :param rows: ``(..., width)``, or the bytes of the state alone
        :return: the state in its own types, by key; all bytes of images are finite
        """
        if self._state is None:
            return {}
        state = np.ascontiguousarray(rows[..., -self.state_bytes :])
        return self._state.unpacked(state.view(self._state.dtype))


def stack_layout(space: spaces.Space[Any], frame_stack: int) -> StackLayout:
    """
    :param space: of observations
    :param frame_stack: frames in one of them
    :return: how they stand in a replay buffer
    :raises Sb3ScaleError: if they hold no stacks of so many frames
    """
    Whole(1)("frame_stack", frame_stack)
    if isinstance(space, spaces.Dict):
        return ImagesAndStateLayout(space, frame_stack)
    return ImageLayout(space, frame_stack)


def _is_image(space: spaces.Space[Any]) -> TypeGuard[spaces.Box]:
    return isinstance(space, spaces.Box) and space.dtype == np.uint8 and len(space.shape) == 3


def _channels(what: str, space: spaces.Box, frame_stack: int) -> int:
    shape = list(space.shape)
    if shape[0] % frame_stack:
        raise Sb3ScaleError(
            f"frame_stack is {frame_stack}, and {what} {shape} have {shape[0]} channels; allowed: "
            f"a divisor of {shape[0]}"
        )
    return shape[0]


def _no_stacks(found: str) -> Sb3ScaleError:
    return Sb3ScaleError(
        f"observations are {found:.80}, and a replay buffer of frames stores stacks of images; "
        "allowed: Box of uint8 (frame_stack * channels, height, width), a Dict with such images, "
        "or replay_buffer_class compact"
    )
