"""Checks of replay buffers."""

import pickle
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.preprocessing import is_image_space

from sb3_scale.parts import resolve
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.replay.hindsight import HindsightStorage
from sb3_scale.replay.one_step import SingleStepReplay
from sb3_scale.replay.weighted import PrioritizedReplay
from sb3_scale.testing.hindsight import check_hindsight
from sb3_scale.testing.part_under_test import BATCH, Subject
from sb3_scale.testing.training import STEPS, check_saved, construct

LENGTH, ENVS = 10, 2
ACTIONS = 2

VECTORS = spaces.Box(-np.inf, np.inf, (3,))
IMAGES = spaces.Box(0, 255, (9, 10, 11), np.uint8)

Stored = dict[bytes, tuple[float, ...]]
"""The action that belongs to each observation, by its bits."""


def check_replay_buffer(subject: Subject) -> None:
    """
    :param subject: a replay buffer, tried with images if its environment has them
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.ReplayBuffer`
    """
    part = {"name": subject.spec.name, **subject.params}
    if issubclass(resolve("replay-buffer", part)[0], HindsightStorage):
        check_hindsight(subject)
        return
    seen = None if isinstance(subject.env, str) else subject.env.observation_space
    box = IMAGES if seen is not None and is_image_space(seen) else VECTORS
    actions = spaces.Box(-1, 1, (ACTIONS,))
    buffer = subject.build(LENGTH * ENVS, box, actions, "cpu", ENVS)
    subject.require(
        isinstance(buffer, ReplayBuffer),
        "is no class derived from stable_baselines3.common.buffers.ReplayBuffer",
    )
    stored = _fill(subject, buffer)
    _check_batch(subject, "sample", subject.call("sample", buffer.sample, BATCH), stored, box)
    if isinstance(buffer, SingleStepReplay):
        batch = subject.call("sample_single_steps", buffer.sample_single_steps, BATCH)
        _check_batch(subject, "sample_single_steps", batch, stored, box)
    if isinstance(buffer, PrioritizedReplay):
        _check_priorities(subject, buffer)
    _check_pickle(subject, buffer)
    if isinstance(buffer, CompactReplayBuffer):
        _check_streams(subject, buffer)
    _train(subject)


def _check_batch(subject: Subject, call: str, batch: Any, stored: Stored, space: Any) -> None:
    for name, width in (("actions", ACTIONS), ("dones", 1), ("rewards", 1)):
        subject.tensor(f"'{name}' of {call}", getattr(batch, name), (BATCH, width))
    for name in ("observations", "next_observations"):
        found = getattr(batch, name)
        if space is IMAGES:
            subject.require(isinstance(found, th.Tensor), f"gives no tensor in '{name}' of {call}")
            # As they are stored, which the policy reads.
            subject.require(found.dtype == th.uint8, f"gives {found.dtype} in '{name}' of {call}")
            found = found.float()
        subject.tensor(f"'{name}' of {call}", found, (BATCH, *space.shape))
    subject.require(
        all(
            tuple(action) == stored.get(observation.tobytes())
            for observation, action in zip(
                batch.observations.numpy(), batch.actions.numpy(), strict=True
            )
        ),
        "gives an observation that it no longer holds, or with the action of another",
    )


def _check_priorities(subject: Subject, buffer: PrioritizedReplay) -> None:
    buffer.progress_remaining = 0.5
    batch = subject.call("sample", buffer.sample, BATCH)
    weights = getattr(batch, "importance_weights", None)
    subject.tensor("'importance_weights' of sample", weights, (BATCH, 1))
    td_errors = th.linspace(0, 1, BATCH)
    subject.call("update_priorities", buffer.update_priorities, batch.indices, td_errors)
    subject.call("sample after update_priorities", buffer.sample, BATCH)


def _check_streams(subject: Subject, buffer: CompactReplayBuffer) -> None:
    """Write one stream alone: nothing of the other may be drawn."""
    subject.call("reset", buffer.reset)
    rng = np.random.default_rng(1)
    observations = _drawn(rng, buffer.observation_space, 4)
    actions = rng.uniform(-1, 1, (3, ACTIONS)).astype(np.float32)
    outcomes = np.ones(3), np.zeros(3), np.zeros(3)
    arguments = (ENVS - 1, observations[:-1], observations[1:], actions, *outcomes)
    subject.call("add_stream", buffer.add_stream, *arguments)
    stored = dict(zip((each.tobytes() for each in observations), map(tuple, actions), strict=False))
    batch = subject.call("sample after add_stream", buffer.sample, BATCH)
    _check_batch(subject, "sample after add_stream", batch, stored, buffer.observation_space)


def _drawn(rng: np.random.Generator, space: Any, count: int) -> np.ndarray:
    if space.dtype == np.uint8:
        return rng.integers(0, 256, (count, *space.shape), np.uint8)
    return rng.normal(size=(count, *space.shape)).astype(np.float32)


def _fill(subject: Subject, buffer: ReplayBuffer) -> Stored:
    """Go around once and a half; the actions that are still held, by their observation."""
    rng = np.random.default_rng(0)
    stored: Stored = {}
    for step in range(LENGTH + LENGTH // 2):
        observations = _drawn(rng, buffer.observation_space, ENVS)
        actions = rng.uniform(-1, 1, (ENVS, ACTIONS)).astype(np.float32)
        next_observations = observations + 1
        infos: list[dict[str, Any]] = [{} for _ in range(ENVS)]
        arguments = (observations, next_observations, actions, np.ones(ENVS), np.zeros(ENVS))
        subject.call("add", buffer.add, *arguments, infos)
        if step >= LENGTH // 2:
            keys = (each.tobytes() for each in observations)
            stored.update(zip(keys, map(tuple, actions), strict=True))
    return stored


def _check_pickle(subject: Subject, buffer: ReplayBuffer) -> None:
    again = subject.call("pickle", lambda: pickle.loads(pickle.dumps(buffer)))
    state = np.random.get_state()
    batches: list[Any] = []
    for each in (buffer, again):
        np.random.seed(0)
        batches.append(each.sample(BATCH))
    np.random.set_state(state)
    first, second = batches
    subject.require(
        all(bool((one == other).all()) for one, other in zip(first[:5], second[:5], strict=True)),
        "gives other batches after it was pickled",
    )


def _train(subject: Subject) -> None:
    model = construct(
        subject,
        "sac",
        replay_buffer_class=subject.spec.name,
        replay_buffer_kwargs=dict(subject.params),
    )
    subject.call(f"{STEPS} steps of training", model.learn, STEPS)
    check_saved(subject, model)
