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
from sb3_scale.testing.stored import ACTIONS, Stored, Transitions
from sb3_scale.testing.training import STEPS, check_saved, construct

LENGTH, ENVS = 10, 2

DRAWS = 300
"""Enough to miss none of what is held."""

VECTORS = spaces.Box(-np.inf, np.inf, (3,))
IMAGES = spaces.Box(0, 255, (9, 10, 11), np.uint8)


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
    limits = bool(subject.params.get("handle_timeout_termination", True))
    stored = _fill(subject, buffer, limits)
    stored.check(subject, "sample", subject.call("sample", buffer.sample, DRAWS), DRAWS, box)
    if isinstance(buffer, SingleStepReplay):
        what = "sample_single_steps"
        batch = subject.call(what, buffer.sample_single_steps, DRAWS)
        stored.check(subject, what, batch, DRAWS, box)
    if isinstance(buffer, PrioritizedReplay):
        _check_priorities(subject, buffer)
    _check_pickle(subject, buffer)
    if isinstance(buffer, CompactReplayBuffer):
        _check_streams(subject, buffer, limits)
    _train(subject)


def _check_priorities(subject: Subject, buffer: PrioritizedReplay) -> None:
    buffer.progress_remaining = 0.5
    batch = subject.call("sample", buffer.sample, BATCH)
    weights = getattr(batch, "importance_weights", None)
    subject.tensor("'importance_weights' of sample", weights, (BATCH, 1))
    td_errors = th.linspace(0, 1, BATCH)
    subject.call("update_priorities", buffer.update_priorities, batch.indices, td_errors)
    subject.call("sample after update_priorities", buffer.sample, BATCH)


def _check_streams(subject: Subject, buffer: CompactReplayBuffer, limits: bool) -> None:
    """Write one stream alone: nothing of the other may be drawn."""
    subject.call("reset", buffer.reset)
    given = Transitions(buffer.observation_space, 8, 1, seed=1)
    arrays = (
        given.observations,
        given.next_observations,
        given.actions,
        given.rewards,
        given.dones,
        given.timeouts,
    )
    subject.call("add_stream", buffer.add_stream, ENVS - 1, *(each[:, 0] for each in arrays))
    what = "sample after add_stream"
    batch = subject.call(what, buffer.sample, DRAWS)
    Stored(given, 0, limits).check(subject, what, batch, DRAWS, buffer.observation_space)


def _fill(subject: Subject, buffer: ReplayBuffer, limits: bool) -> Stored:
    """Go around once and a half; what is still held."""
    steps = LENGTH + LENGTH // 2
    given = Transitions(buffer.observation_space, steps, ENVS, seed=0)
    for step in range(steps):
        arguments = (
            given.observations[step],
            given.next_observations[step],
            given.actions[step],
            given.rewards[step],
            given.dones[step],
        )
        subject.call("add", buffer.add, *arguments, given.infos(step))
    return Stored(given, LENGTH // 2, limits)


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
