"""What ``VecNormalize`` does to a batch, bit for bit, in fewer passes over memory."""

from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale.replay.table import upload


def normalize_observations(
    observations: th.Tensor, shape: tuple[int, ...], env: VecNormalize
) -> th.Tensor:
    """
    ``clip((o - mean) / sqrt(var + epsilon))``, in float64, given as float32.

    Rounding is monotonic, so clipping after it gives the same bits and costs half.

    :param observations: a copy that may be overwritten, ``(b, width)``
    :param shape: of one observation
    :param env: with the statistics
    :return: ``(b, width)``
    """
    # A subclass may do something else.
    if type(env) is not VecNormalize:
        array = env.normalize_obs(observations.cpu().numpy().reshape(-1, *shape))
        assert isinstance(array, np.ndarray)
        return _like(array, observations)
    if not env.norm_obs:
        return observations
    # Box observations have one, Dict observations one per key.
    return _normalized(observations, env.obs_rms, env)


def normalize_keys(
    observations: dict[str, th.Tensor], shapes: dict[str, tuple[int, ...]], env: VecNormalize
) -> dict[str, th.Tensor]:
    """
    The same for the keys of ``Dict`` observations that ``env`` normalises.

    :param observations: copies that may be overwritten, ``(b, numbers)`` each
    :param shapes: of one observation, by key
    :param env: with the statistics
    :return: ``(b, numbers)`` each
    """
    if type(env) is not VecNormalize:
        arrays = env.normalize_obs(
            {
                key: each.cpu().numpy().reshape(-1, *shapes[key])
                for key, each in observations.items()
            }
        )
        assert isinstance(arrays, dict)
        return {key: _like(arrays[key], each) for key, each in observations.items()}
    if not env.norm_obs:
        return observations
    statistics: Any = env.obs_rms
    keys = env.norm_obs_keys or ()
    found = {key: _normalized(observations[key], statistics[key], env) for key in keys}
    return {**observations, **found}


def _normalized(observations: th.Tensor, statistics: Any, env: VecNormalize) -> th.Tensor:
    scale = np.sqrt(statistics.var + env.epsilon)
    both = np.stack((statistics.mean.ravel(), scale.ravel()))
    mean, deviation = upload(both, observations.device)
    exact = observations.double().sub_(mean).div_(deviation)
    return exact.float().clamp_(-env.clip_obs, env.clip_obs)


def normalize_rewards(rewards: th.Tensor, env: VecNormalize) -> th.Tensor:
    """
    ``clip(r / sqrt(var + epsilon))``, in float64, given as float32.

    :param rewards: float32, ``(b, 1)``
    :param env: with the statistics
    :return: ``(b, 1)``
    """
    if type(env) is not VecNormalize:
        return _like(env.normalize_reward(rewards.cpu().numpy()).astype(np.float32), rewards)
    if not env.norm_reward:
        return rewards
    scale = np.atleast_1d(np.sqrt(env.ret_rms.var + env.epsilon))
    # By a tensor: a GPU multiplies by the reciprocal of a number.
    exact = rewards.double().div_(upload(scale, rewards.device))
    return exact.float().clamp_(-env.clip_reward, env.clip_reward)


def _like(array: np.ndarray, tensor: th.Tensor) -> th.Tensor:
    return upload(np.ascontiguousarray(array.reshape(tensor.shape)), tensor.device)
