"""Checks of replay buffers."""

import pickle
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer

from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.replay.one_step import SingleStepReplay
from sb3_scale.replay.weighted import PrioritizedReplay
from sb3_scale.testing.part_under_test import BATCH, Subject
from sb3_scale.testing.training import STEPS, check_saved, construct

LENGTH, ENVS = 10, 2
OBSERVATIONS, ACTIONS = 3, 2


def check_replay_buffer(subject: Subject) -> None:
    """
    :param subject: a replay buffer
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.ReplayBuffer`
    """
    box, actions = spaces.Box(-np.inf, np.inf, (OBSERVATIONS,)), spaces.Box(-1, 1, (ACTIONS,))
    buffer = subject.build(LENGTH * ENVS, box, actions, "cpu", ENVS)
    subject.require(
        isinstance(buffer, ReplayBuffer),
        "is no class derived from stable_baselines3.common.buffers.ReplayBuffer",
    )
    stored = _fill(subject, buffer)
    _check_batch(subject, "sample", subject.call("sample", buffer.sample, BATCH), stored)
    if isinstance(buffer, SingleStepReplay):
        batch = subject.call("sample_single_steps", buffer.sample_single_steps, BATCH)
        _check_batch(subject, "sample_single_steps", batch, stored)
    if isinstance(buffer, PrioritizedReplay):
        _check_priorities(subject, buffer)
    _check_pickle(subject, buffer)
    if isinstance(buffer, CompactReplayBuffer):
        _check_streams(subject, buffer)
    _train(subject)


def _check_batch(
    subject: Subject, call: str, batch: Any, stored: dict[float, tuple[float, ...]]
) -> None:
    for name, width in (
        ("observations", OBSERVATIONS),
        ("actions", ACTIONS),
        ("next_observations", OBSERVATIONS),
        ("dones", 1),
        ("rewards", 1),
    ):
        subject.tensor(f"'{name}' of {call}", getattr(batch, name), (BATCH, width))
    subject.require(
        all(
            tuple(action) == stored.get(float(observation[0]))
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
    observations = rng.normal(size=(4, OBSERVATIONS)).astype(np.float32)
    actions = rng.uniform(-1, 1, (3, ACTIONS)).astype(np.float32)
    outcomes = np.ones(3), np.zeros(3), np.zeros(3)
    arguments = (ENVS - 1, observations[:-1], observations[1:], actions, *outcomes)
    subject.call("add_stream", buffer.add_stream, *arguments)
    stored = dict(zip(observations[:-1, 0].tolist(), map(tuple, actions), strict=True))
    batch = subject.call("sample after add_stream", buffer.sample, BATCH)
    _check_batch(subject, "sample after add_stream", batch, stored)


def _fill(subject: Subject, buffer: ReplayBuffer) -> dict[float, tuple[float, ...]]:
    """Go around once and a half; the actions that are still held, by their observation."""
    rng = np.random.default_rng(0)
    stored: dict[float, tuple[float, ...]] = {}
    for step in range(LENGTH + LENGTH // 2):
        observations = rng.normal(size=(ENVS, OBSERVATIONS)).astype(np.float32)
        actions = rng.uniform(-1, 1, (ENVS, ACTIONS)).astype(np.float32)
        next_observations = observations + 1
        infos: list[dict[str, Any]] = [{} for _ in range(ENVS)]
        arguments = (observations, next_observations, actions, np.ones(ENVS), np.zeros(ENVS))
        subject.call("add", buffer.add, *arguments, infos)
        if step >= LENGTH // 2:
            pairs = zip(observations[:, 0].tolist(), map(tuple, actions), strict=True)
            stored.update(pairs)
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
