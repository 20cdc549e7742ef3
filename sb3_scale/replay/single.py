"""Single steps from buffers that give other things."""

from typing import Any

import numpy as np
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale.replay.compact import CompactReplayBuffer


def sample_single_steps(
    buffer: Any, batch_size: int, env: VecNormalize | None
) -> ReplayBufferSamples:
    """
    Draw transitions of one step, all alike, also where the buffer's own are of several steps or
    drawn by priority.

    :param buffer: a replay buffer
    :param batch_size: number of transitions
    :param env: whose statistics normalise observations and rewards
    :return: the batch
    """
    if isinstance(buffer, CompactReplayBuffer):
        index = np.random.randint(0, buffer.size() * buffer.n_envs, batch_size)
        return buffer.transitions(index, index, env)
    if isinstance(buffer, NStepReplayBuffer):
        rows = np.random.randint(0, buffer.size(), batch_size)
        return ReplayBuffer._get_samples(buffer, rows, env)
    found: ReplayBufferSamples = buffer.sample(batch_size, env=env)
    return found
