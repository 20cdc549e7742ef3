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

    :param shape: of the observation; of three numbers it is that of stacked frames of uint8
    :param actions: number of actions
    """

    def __init__(self, shape: tuple[int, ...], actions: int) -> None:
        images = len(shape) == 3
        self._box = (
            spaces.Box(0, 255, shape, np.uint8)
            if images
            else spaces.Box(-10, 10, shape, np.float32)
        )
        self.observation_space = self._box
        self.action_space = spaces.Box(-1, 1, (actions,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """
        :param seed: without use
        :param options: without use
        :return: zeros and an empty dictionary
        """
        return np.zeros_like(self._box.low), {}


def fill(buffer: Any) -> None:
    """
    :param buffer: filled with random transitions, of which a tenth end an episode
    """
    generator = np.random.default_rng(0)
    shape = (buffer.n_envs, *buffer.obs_shape)
    follow = next_stacks if len(shape) == 4 else next_numbers
    observations = follow(generator, np.zeros(shape, buffer.observation_space.dtype))
    for _ in range(buffer.buffer_size):
        next_observations = follow(generator, observations)
        actions = generator.uniform(-1, 1, (buffer.n_envs, buffer.action_dim))
        rewards = generator.standard_normal(buffer.n_envs)
        dones = generator.random(buffer.n_envs) < 0.1
        infos: list[dict[str, Any]] = [{} for _ in dones]
        buffer.add(observations, next_observations, actions, rewards, dones, infos)
        observations = next_observations.copy()
        observations[dones] = follow(generator, observations)[dones]


def next_numbers(generator: np.random.Generator, observations: np.ndarray) -> np.ndarray:
    """
    :param generator: of random numbers
    :param observations: of which the shape counts
    :return: others
    """
    return generator.standard_normal(observations.shape, np.float32)


def next_stacks(generator: np.random.Generator, observations: np.ndarray) -> np.ndarray:
    """
    :param generator: of random frames
    :param observations: stacks of frames of three channels, ``(n_envs, channels, height, width)``
    :return: those that follow them, with one new frame
    """
    new = generator.integers(0, 256, (len(observations), 3, *observations.shape[2:]), np.uint8)
    return np.concatenate((observations[:, 3:], new), axis=1)


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
