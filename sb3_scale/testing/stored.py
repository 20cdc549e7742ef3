"""Transitions that a replay buffer was given, and whether a batch has them as they were."""

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space

from sb3_scale.testing.part_under_test import Subject

ACTIONS = 2


class Transitions:
    """
    Episodes of three steps in each of several streams, which end and are cut by a time limit in
    turn.

    :param space: of the observations
    :param steps: of each stream
    :param streams: number of them
    :param seed: of the numbers
    """

    def __init__(self, space: spaces.Space[Any], steps: int, streams: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        drawn = _drawn(rng, space, (steps + 1, streams))
        self.observations, self.next_observations = drawn[:-1], drawn[1:].copy()
        self.actions = rng.uniform(-1, 1, (steps, streams, ACTIONS)).astype(np.float32)
        self.rewards = rng.normal(size=(steps, streams)).astype(np.float32)
        number = np.arange(steps)[:, None] + np.arange(streams)
        self.dones, self.timeouts = number % 3 == 2, number % 6 == 5
        # The last observation of an episode is none that the next one begins with.
        last = self.next_observations[self.dones]
        self.next_observations[self.dones] = _drawn(rng, space, last.shape[:1])

    def infos(self, step: int) -> list[dict[str, Any]]:
        """
        :param step: one of the steps
        :return: what the environments tell beside it
        """
        return [{"TimeLimit.truncated": bool(each)} for each in self.timeouts[step]]


def _drawn(rng: np.random.Generator, space: spaces.Space[Any], lead: tuple[int, ...]) -> np.ndarray:
    shape = (*lead, *(space.shape or ()))
    if space.dtype == np.uint8:
        return rng.integers(0, 256, shape, np.uint8)
    return rng.normal(size=shape).astype(np.float32)


class Stored:
    """
    What a replay buffer still holds, by the bits of the observation.

    :param transitions: that were given to it
    :param since: the first step that was not overwritten
    :param limits: whether an end by a time limit is none in batches
    """

    def __init__(self, transitions: Transitions, since: int, limits: bool) -> None:
        terminated = transitions.dones & ~(transitions.timeouts & limits)
        arrays = (
            transitions.observations,
            transitions.actions,
            transitions.next_observations,
            transitions.rewards,
            terminated.astype(np.float32),
        )
        parts = (each[since:].reshape(-1, *each.shape[2:]) for each in arrays)
        self._held = {first.tobytes(): rest for first, *rest in zip(*parts, strict=True)}

    def check(self, subject: Subject, call: str, batch: Any, draws: int, space: Any) -> None:
        """
        :param subject: the replay buffer
        :param call: that gave the batch
        :param batch: of it
        :param draws: transitions that it must have
        :param space: of the observations
        :raises AssertionError: if it is not made of what was stored
        """
        for name, width in (("actions", ACTIONS), ("dones", 1), ("rewards", 1)):
            subject.tensor(f"'{name}' of {call}", getattr(batch, name), (draws, width))
        for name in ("observations", "next_observations"):
            _check_observations(subject, f"'{name}' of {call}", getattr(batch, name), draws, space)
        # Returns of several steps are another matter.
        steps = getattr(batch, "discounts", None) is not None
        names = OTHERS[:1] if steps else OTHERS
        for index, observation in enumerate(batch.observations.numpy()):
            held = self._held.get(observation.tobytes())
            subject.require(
                held is not None, f"gives an observation that it no longer holds in {call}"
            )
            for (name, fault), expected in zip(names, held or (), strict=False):
                found = getattr(batch, name)[index].numpy()
                subject.require(
                    found.tobytes() == expected.tobytes(), f"gives an observation {fault} in {call}"
                )


OTHERS = (
    ("actions", "with the action of another"),
    ("next_observations", "with another next observation than was stored"),
    ("rewards", "with another reward than was stored"),
    ("dones", "as the end of an episode that is none, or the other way round,"),
)
"""What a batch has beside observations, and what is said where it is wrong."""


def _check_observations(subject: Subject, what: str, found: Any, draws: int, space: Any) -> None:
    if is_image_space(space):
        subject.require(isinstance(found, th.Tensor), f"gives no tensor in {what}")
        # As they are stored, which the policy reads.
        subject.require(found.dtype == th.uint8, f"gives {found.dtype} in {what}")
        found = found.float()
    subject.tensor(what, found, (draws, *space.shape))
