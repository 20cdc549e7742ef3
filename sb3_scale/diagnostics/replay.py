"""Replay batches for diagnostics."""

from typing import Any

from sb3_scale.diagnostics.randomness import own_random_numbers


def replay_batch(model: Any, batch_size: int) -> Any:
    """
    Draw transitions as the update does, without touching its random numbers.

    :param model: the algorithm, after its first gradient step
    :param batch_size: number of transitions
    :return: ``stable_baselines3.common.type_aliases.ReplayBufferSamples``
    """
    with own_random_numbers(model.num_timesteps, model.device):
        return model.replay_buffer.sample(batch_size, env=model._vec_normalize_env)
