"""Whether transitions are those of the environment that tells its steps, in their order."""

from typing import Any

import numpy as np

from sb3_scale.testing.part_under_test import Subject
from sb3_scale.testing.told_steps import ACTIONS, GREATEST, TRUNCATED, reward_of, terminates


def check_told(subject: Subject, buffer: Any, cut: np.ndarray) -> None:
    """
    :param subject: a collector
    :param buffer: what it has filled
    :param cut: transitions of each stream after which it may have begun anew
    :raises AssertionError: if a transition is not one of the environment, or they are in disorder
    """
    episodes: set[float] = set()
    for stream, written in enumerate(buffer.streams.written.tolist()):
        rows = buffer.streams.last_rows(slice(stream, stream + 1), min(written, buffer.buffer_size))
        arrays = (_flat(getattr(buffer, name))[rows[:, 0]] for name in ARRAYS)
        observations, following, actions, rewards, dones, timeouts = arrays
        _check_each(subject, observations, following, actions, rewards)
        _check_ends(subject, following, dones, timeouts)
        begun = np.arange(written - len(rows) + 1, written) == cut[stream]
        _check_order(subject, observations, following, dones, begun)
        own = set(observations[:, 0].tolist())
        subject.require(
            episodes.isdisjoint(own), "stores one episode as that of several environments"
        )
        episodes |= own


ARRAYS = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def _flat(array: np.ndarray) -> np.ndarray:
    return array.reshape(-1, *array.shape[2:])


def _check_each(
    subject: Subject,
    observations: np.ndarray,
    following: np.ndarray,
    actions: np.ndarray,
    rewards: np.ndarray,
) -> None:
    expected = observations + np.eye(2 + ACTIONS, dtype=np.float32)[1]
    subject.require(
        np.array_equal(following[:, :2], expected[:, :2]),
        "stores a next observation that is not the one after the observation",
    )
    subject.require(
        np.allclose(following[:, 2:], GREATEST * actions, atol=1e-5),
        "stores other actions than were played, in the scale of [-1, 1]",
    )
    subject.require(
        np.allclose(rewards, reward_of(following), atol=1e-5),
        "stores other rewards than the environment gave",
    )


def _check_ends(
    subject: Subject, following: np.ndarray, dones: np.ndarray, timeouts: np.ndarray
) -> None:
    terminated, truncated = terminates(following), following[:, 1] == TRUNCATED
    subject.require(
        np.array_equal(dones, terminated | truncated),
        "stores the end of an episode where there is none, or none where there is one",
    )
    subject.require(
        np.array_equal(timeouts, truncated),
        "stores an end by a time limit as another one, or the other way round",
    )


def _check_order(
    subject: Subject,
    observations: np.ndarray,
    following: np.ndarray,
    dones: np.ndarray,
    begun: np.ndarray,
) -> None:
    ended = dones[:-1] > 0
    first = observations[1:, 1] == 0
    same = (observations[1:] == following[:-1]).all(axis=1)
    subject.require(
        bool((same | first & begun)[~ended].all()),
        "stores transitions of an environment that do not follow one another",
    )
    subject.require(
        bool(first[ended].all()), "stores no first observation after the end of an episode"
    )
