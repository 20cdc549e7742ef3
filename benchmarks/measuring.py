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
    for name in ("observations", "next_observations", "rewards"):
        array = getattr(buffer, name)
        array[:] = generator.standard_normal(array.shape, np.float32)
    buffer.actions[:] = generator.uniform(-1, 1, buffer.actions.shape)
    buffer.dones[:] = generator.random(buffer.dones.shape) < 0.1
    buffer.full = True


def measure(model: Any, batch_size: int, seconds: float) -> float:
    """
    :param model: an off-policy algorithm with a filled buffer
    :param batch_size: transitions per gradient step
    :param seconds: how long to measure
    :return: gradient steps per second, with one ``train`` call per step as at a ratio of 1
    """
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        model.train(gradient_steps=1, batch_size=batch_size)
        steps += 1
    if model.device.type == "cuda":
        th.cuda.synchronize()
    return steps / (time.perf_counter() - start)
