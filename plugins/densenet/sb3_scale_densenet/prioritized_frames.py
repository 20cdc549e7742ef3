"""Prioritised experience replay of stacks of frames."""

from typing import Any

import torch as th
from gymnasium import spaces

from sb3_scale.replay.frames import FrameStorage, check_stacks
from sb3_scale.replay.memory import Storage
from sb3_scale_densenet.prioritized import PrioritizedReplayBuffer
from sb3_scale_densenet.prioritized_contents import PrioritizedContents


class PrioritizedFrameReplayBuffer(FrameStorage, PrioritizedReplayBuffer):
    """
    Draws as ``PrioritizedReplayBuffer`` does, and stores each frame of stacked images once.

    :param buffer_size: capacity in transitions
    :param observation_space: a ``Box`` of uint8, ``(frame_stack * channels, height, width)``
    :param action_space: of the environment
    :param device: where batches are wanted
    :param n_envs: number of environments
    :param optimize_memory_usage: must be false: nothing is stored twice here
    :param handle_timeout_termination: whether an episode that ended by a time limit counts as not
        done in batches
    :param storage: ``host``; ``device`` for the memory of a GPU; ``auto`` for a GPU's if at most
        half of what is free there is needed, else the host's. On a CPU all three are one
    :param alpha: how much the error counts; 0 draws all transitions alike
    :param beta: how far weights make up for that at the start of the training, 1 is wholly
    :param final_beta: the same at its end
    :param eps: added to errors
    :param n_steps: of the returns
    :param gamma: discount factor of the returns
    :param frame_stack: frames in an observation
    :raises Sb3ScaleError: if a parameter is out of its range, the observations are no stacks of
        frames, or there is not enough memory
    """

    contents = PrioritizedContents
    saved_arguments = (*PrioritizedReplayBuffer.saved_arguments, "frame_stack")

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: th.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        handle_timeout_termination: bool = True,
        storage: Storage = "auto",
        alpha: float = 0.6,
        beta: float = 0.4,
        final_beta: float = 1.0,
        eps: float = 1e-6,
        n_steps: int = 1,
        gamma: float = 0.99,
        frame_stack: int = 3,
    ) -> None:
        check_stacks(observation_space, frame_stack)
        self.frame_stack = frame_stack
        super().__init__(
            buffer_size,
            observation_space,
            action_space,
            device,
            n_envs,
            optimize_memory_usage,
            handle_timeout_termination,
            storage,
            alpha,
            beta,
            final_beta,
            eps,
            n_steps,
            gamma,
        )
