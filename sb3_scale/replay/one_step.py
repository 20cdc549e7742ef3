"""Single steps from buffers that give other things."""

import abc
from typing import Any

import numpy as np
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

STOCK = (ReplayBuffer, DictReplayBuffer, HerReplayBuffer)
"""Buffers of Stable-Baselines3 whose ``sample`` gives single steps, all drawn alike."""


class SingleStepReplay(abc.ABC):
    """
    A replay buffer that gives single steps when asked, whatever its ``sample`` gives.

    Extractors that learn apart from the critic need one, or a buffer of Stable-Baselines3.
    """

    @abc.abstractmethod
    def sample_single_steps(
        self, batch_size: int, env: VecNormalize | None = None
    ) -> ReplayBufferSamples:
        """
        Draw transitions of one step, all alike.

        :param batch_size: transitions to draw
        :param env: whose statistics normalise observations and rewards
        :return: tensors of ``batch_size`` rows on the buffer's device
        """


def gives_single_steps(buffer: Any) -> bool:
    """
    :param buffer: a replay buffer
    :return: whether :func:`sample_single_steps` can draw from it
    """
    return isinstance(buffer, (SingleStepReplay, NStepReplayBuffer)) or type(buffer) in STOCK


def sample_single_steps(
    buffer: Any, batch_size: int, env: VecNormalize | None
) -> ReplayBufferSamples:
    """
    Draw transitions of one step, all alike, also where the buffer's own are of several steps or
    drawn by priority.

    :param buffer: a replay buffer of which :func:`gives_single_steps` is true
    :param batch_size: number of transitions
    :param env: whose statistics normalise observations and rewards
    :return: the batch
    """
    if isinstance(buffer, SingleStepReplay):
        return buffer.sample_single_steps(batch_size, env)
    if isinstance(buffer, NStepReplayBuffer):
        rows = np.random.randint(0, buffer.size(), batch_size)
        return ReplayBuffer._get_samples(buffer, rows, env)
    found: ReplayBufferSamples = buffer.sample(batch_size, env=env)
    return found
