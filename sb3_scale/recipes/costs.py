"""What a gradient step of a recipe costs."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.logger import Logger
from torch.utils.flop_counter import FlopCounterMode

from sb3_scale.algorithms import ScaleAlgorithm
from sb3_scale.recipes.environments import SpacesOnly
from sb3_scale.recipes.model import recipe

TRANSITIONS = 2_000
WARM_UP = 3
"""Gradient steps that are not measured: the first allocate, and try which products are exact."""

MOST_STEPS = 200


@dataclass(frozen=True)
class Cost:
    """
    Of a gradient step, the mean over those with and without an actor's.

    :param gigaflops: of matrix products and convolutions, forwards and backwards
    :param milliseconds: measured here, without compilation, by as many threads as PyTorch has
    """

    gigaflops: float
    milliseconds: float


def cost(name: str, observations: int, actions: int, seconds: float = 1.0) -> Cost:
    """
    :param name: of a recipe
    :param observations: numbers in an observation
    :param actions: numbers in an action
    :param seconds: how long to measure, at least one round of the actor's delay
    :return: what a gradient step costs
    :raises Sb3ScaleError: if there is no such recipe, or it is not for these spaces
    """
    env = SpacesOnly(
        spaces.Box(-np.inf, np.inf, (observations,), np.float32),
        spaces.Box(-1, 1, (actions,), np.float32),
    )
    model = recipe(
        name, env, compile=False, device="cpu", buffer_size=TRANSITIONS, gamma=0.99, action_repeat=1
    )
    _fill(model)
    # A learner that is trained alone at first shall not be measured.
    model._n_updates = model.policy_delay
    model.train(WARM_UP, model.batch_size)
    model._n_updates = model.policy_delay
    flops = FlopCounterMode(display=False)
    with flops:
        model.train(model.policy_delay, model.batch_size)
    taken, start = 0, time.perf_counter()
    while taken == 0 or (time.perf_counter() - start < seconds and taken < MOST_STEPS):
        model.train(model.policy_delay, model.batch_size)
        taken += model.policy_delay
    milliseconds = (time.perf_counter() - start) / taken * 1e3
    return Cost(flops.get_total_flops() / model.policy_delay / 1e9, milliseconds)


def _fill(model: ScaleAlgorithm) -> None:
    """Random transitions, as none are collected."""
    generator = np.random.default_rng(0)
    buffer: Any = model.replay_buffer
    width, action_width = (
        int(np.prod(space.shape or ())) for space in (model.observation_space, model.action_space)
    )
    for _ in range(TRANSITIONS):
        obs, next_obs, action = (
            generator.uniform(-1, 1, (1, size)).astype(np.float32)
            for size in (width, width, action_width)
        )
        buffer.add(obs, next_obs, action, generator.uniform(size=1), np.zeros(1), [{}])
    model.set_logger(Logger(None, []))
