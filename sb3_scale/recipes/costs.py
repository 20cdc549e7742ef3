"""What a gradient step of a recipe costs."""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.logger import Logger
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from sb3_scale.algorithms import ScaleAlgorithm
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.recipes.environments import SpacesOnly
from sb3_scale.recipes.model import recipe

TRANSITIONS = 2_000
WARM_UP = 3
"""Gradient steps that are not measured: the first allocate, and try which products are exact."""

MOST_STEPS = 200

FRAME = (3, 84, 84)
IMAGES = spaces.Box(0, 255, (3 * FRAME[0], *FRAME[1:]), np.uint8)
"""What recipes for pixels are measured with: three frames of the common size."""


@dataclass(frozen=True)
class Cost:
    """
    Of a gradient step, the mean over those with and without an actor's.

    :param gigaflops: of matrix products and convolutions, forwards and backwards
    :param milliseconds: measured here, without compilation, by as many threads as PyTorch has
    :param observations: shape of one
    """

    gigaflops: float
    milliseconds: float
    observations: tuple[int, ...]


class FlopCounter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """
    Counts the operations of products and convolutions by PyTorch's formulas.

    ``FlopCounterMode``, which follows modules, cannot follow ``torch.autograd.grad``.
    """

    flops = 0

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """
        :param function: of PyTorch that is called
        :param types: of its tensors
        :param args: of it
        :param kwargs: of it
        :return: its result
        """
        result = function(*args, **(kwargs or {}))
        formula = flop_registry.get(function._overloadpacket)
        if formula is not None:
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        return result


def cost(name: str, observations: int, actions: int, seconds: float = 1.0) -> Cost:
    """
    :param name: of a recipe
    :param observations: numbers in an observation; one for pixels gets three frames of 84x84
    :param actions: numbers in an action
    :param seconds: how long to measure, at least one round of the actor's delay
    :return: what a gradient step costs
    :raises Sb3ScaleError: if there is no such recipe, or it is not for these spaces
    """
    numbers = spaces.Box(-np.inf, np.inf, (observations,), np.float32)
    try:
        model = _model(name, numbers, actions)
    except Sb3ScaleError as refused:
        try:
            model = _model(name, IMAGES, actions)
        except Sb3ScaleError:
            raise refused from None
    _fill(model)
    # A learner that is trained alone at first shall not be measured.
    model._n_updates = model.policy_delay
    model.train(WARM_UP, model.batch_size)
    model._n_updates = model.policy_delay
    with FlopCounter() as counter:  # type: ignore[no-untyped-call]
        model.train(model.policy_delay, model.batch_size)
    taken, start = 0, time.perf_counter()
    while taken == 0 or (time.perf_counter() - start < seconds and taken < MOST_STEPS):
        model.train(model.policy_delay, model.batch_size)
        taken += model.policy_delay
    milliseconds = (time.perf_counter() - start) / taken * 1e3
    gigaflops = counter.flops / model.policy_delay / 1e9
    return Cost(gigaflops, milliseconds, model.observation_space.shape or ())


def _model(name: str, observations: spaces.Box, actions: int) -> ScaleAlgorithm:
    return recipe(
        name,
        SpacesOnly(observations, spaces.Box(-1, 1, (actions,), np.float32)),
        compile=False,
        device="cpu",
        buffer_size=TRANSITIONS,
        gamma=0.99,
        action_repeat=1,
    )


def _fill(model: ScaleAlgorithm) -> None:
    """Random transitions, as none are collected."""
    generator = np.random.default_rng(0)
    buffer: Any = model.replay_buffer
    width = int(np.prod(model.action_space.shape or ()))
    obs = _observation(model, generator)
    for _ in range(TRANSITIONS // model.n_envs):
        next_obs = _observation(model, generator)
        if next_obs.dtype == np.uint8:
            # Neighbouring stacks share all frames but one.
            next_obs[:, : -FRAME[0]] = obs[:, FRAME[0] :]
        action = generator.uniform(-1, 1, (model.n_envs, width)).astype(np.float32)
        rewards = generator.uniform(size=model.n_envs)
        infos: list[dict[str, Any]] = [{} for _ in range(model.n_envs)]
        buffer.add(obs, next_obs, action, rewards, np.zeros(model.n_envs), infos)
        obs = next_obs
    model.set_logger(Logger(None, []))


def _observation(model: ScaleAlgorithm, generator: np.random.Generator) -> np.ndarray:
    shape = (model.n_envs, *(model.observation_space.shape or ()))
    if model.observation_space.dtype == np.uint8:
        return generator.integers(0, 256, shape, np.uint8)
    return generator.uniform(-1, 1, shape).astype(np.float32)
