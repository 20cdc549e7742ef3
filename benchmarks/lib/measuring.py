"""What the benchmarks share: an environment without a world, random transitions, a stopwatch."""

import time
from typing import Any

import gymnasium
import numpy as np
import torch as th
from gymnasium import spaces


class Spaces(gymnasium.Env[np.ndarray, np.ndarray]):
    """
    An environment that is never stepped: its spaces alone are needed.

    :param observations: width of the observation
    :param actions: number of actions
    """

    def __init__(self, observations: int, actions: int) -> None:
        self.width = observations
        self.observation_space = spaces.Box(-10, 10, (observations,), np.float32)
        self.action_space = spaces.Box(-1, 1, (actions,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """
        :param seed: without use
        :param options: without use
        :return: zeros and an empty dictionary
        """
        return np.zeros(self.width, np.float32), {}


def fill(buffer: Any) -> None:
    """
    :param buffer: filled with random transitions, of which a tenth end an episode
    """
    generator = np.random.default_rng(0)
    shape = (buffer.n_envs, *buffer.obs_shape)
    observations = generator.standard_normal(shape, np.float32)
    for _ in range(buffer.buffer_size):
        next_observations = generator.standard_normal(shape, np.float32)
        actions = generator.uniform(-1, 1, (buffer.n_envs, buffer.action_dim))
        rewards = generator.standard_normal(buffer.n_envs)
        dones = generator.random(buffer.n_envs) < 0.1
        infos: list[dict[str, Any]] = [{} for _ in dones]
        buffer.add(observations, next_observations, actions, rewards, dones, infos)
        observations = next_observations.copy()
        observations[dones] = generator.standard_normal(shape, np.float32)[dones]


def measure(model: Any, batch_size: int, seconds: float, gradient_steps: int = 1) -> float:
    """
    :param model: an off-policy algorithm with a filled buffer
    :param batch_size: transitions per gradient step
    :param seconds: how long to measure
    :param gradient_steps: of each ``train`` call
    :return: gradient steps per second
    """
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        model.train(gradient_steps=gradient_steps, batch_size=batch_size)
        steps += gradient_steps
    if th.device(model.device).type == "cuda":
        th.cuda.synchronize()
    return steps / (time.perf_counter() - start)
