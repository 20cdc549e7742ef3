"""Prioritised experience replay of stacks of frames."""

from typing import Any

from sb3_scale.extending import extends
from sb3_scale.replay.frames import FrameStorage
from sb3_scale_densenet.prioritized import PrioritizedReplayBuffer
from sb3_scale_densenet.prioritized_contents import PrioritizedContents


class PrioritizedFrameReplayBuffer(FrameStorage, PrioritizedReplayBuffer):
    """
    Draws as ``PrioritizedReplayBuffer`` does, and stores each frame of stacked images once.

    :param frame_stack: frames in an observation
    :raises Sb3ScaleError: if a parameter is out of its range, the observations hold no stacks
        of frames, or there is not enough memory
    """

    contents = PrioritizedContents
    saved_arguments = (*PrioritizedReplayBuffer.saved_arguments, "frame_stack")

    @extends(PrioritizedReplayBuffer)
    def __init__(self, *args: Any, frame_stack: int = 3, **options: Any) -> None:
        self.frame_stack = frame_stack
        super().__init__(*args, **options)
