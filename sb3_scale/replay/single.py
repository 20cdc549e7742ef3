"""Single steps from buffers that give other things."""

from typing import Any

import numpy as np
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale.replay.weighted import has_priorities


def gives_single_steps(buffer: Any) -> bool:
    """
    :param buffer: a replay buffer
    :return: whether :func:`sample_single_steps` can draw from it
    """
    if hasattr(buffer, "sample_single_steps") or isinstance(buffer, NStepReplayBuffer):
        return True
    return not has_priorities(buffer) and getattr(buffer, "n_steps", 1) == 1


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
    if hasattr(buffer, "sample_single_steps"):
        found: ReplayBufferSamples = buffer.sample_single_steps(batch_size, env)
        return found
    if isinstance(buffer, NStepReplayBuffer):
        rows = np.random.randint(0, buffer.size(), batch_size)
        return ReplayBuffer._get_samples(buffer, rows, env)
    found = buffer.sample(batch_size, env=env)
    return found
