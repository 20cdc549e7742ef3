"""A replay buffer that stores each frame of stacked images once."""

import math
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import BaseBuffer

from sb3_scale.extending import extends
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.replay.contents import CompactContents
from sb3_scale.replay.frame_layouts import StackLayout, stack_layout
from sb3_scale.replay.frame_rows import FrameRows, frame_row_type
from sb3_scale.replay.frame_store import frames_for


class FrameStorage(BaseBuffer):
    """Comes before a ``CompactReplayBuffer`` among the bases; observations are stacks of frames."""

    frame_stack: int
    row: np.dtype[Any]
    layout: Any

    def _make_layout(self, space: spaces.Space[Any]) -> StackLayout:
        return stack_layout(space, self.frame_stack)

    def _make_row(self) -> np.dtype[Any]:
        return frame_row_type(self.layout, self.action_space)

    def _make_table(self, place: th.device) -> FrameRows:
        own = self.layout, self.frame_stack
        return FrameRows(self.buffer_size, self.n_envs, self.row, place, *own)

    @property
    def transition_bytes(self) -> int:
        """Bytes per transition, with spare frames for the beginnings of episodes."""
        rows = self.buffer_size * self.n_envs
        frames = frames_for(rows, self.n_envs, self.frame_stack)
        numbers = 2 * self.frame_stack * np.dtype(np.int32).itemsize
        frame_bytes: int = self.layout.stack_bytes // self.frame_stack
        each = frame_bytes + np.dtype(np.int32).itemsize
        return self.row.itemsize + numbers + 1 + math.ceil(frames * each / rows)


class FrameReplayBuffer(FrameStorage, CompactReplayBuffer):
    """
    Gives the batches of ``stable_baselines3.common.buffers.ReplayBuffer`` over stacks of frames,
    bit for bit under one seed, from a sixth of its memory where three frames are stacked.

    Neighbouring observations share all frames but the newest. Which ones they share is found by
    their bits, so it does not matter how they were stacked, and an episode may begin as it likes.
    If most of the first hundred transitions of an environment share none, ``frame_stack`` is not
    that of the environment, and the training ends; 1 is for observations that are no stacks. With
    ``n_steps`` above 1 batches are those of ``NStepReplayBuffer``. All else is as in
    ``CompactReplayBuffer``; ``observations`` is a copy that is made when it is read. In a ``Dict``
    all images are stacks of so many frames; its other keys are stored as they are, twice.

    :param frame_stack: frames in an observation
    :raises Sb3ScaleError: if a parameter is out of its range, the observations hold no stacks of
        frames, or there is not enough memory
    """

    contents = CompactContents
    saved_arguments = (*CompactReplayBuffer.saved_arguments, "frame_stack")

    @extends(CompactReplayBuffer)
    def __init__(self, *args: Any, frame_stack: int = 3, **options: Any) -> None:
        self.frame_stack = frame_stack
        super().__init__(*args, **options)
