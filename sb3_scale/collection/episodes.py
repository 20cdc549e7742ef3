"""Episodes as they were played, and the returns that they gave."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer

FloatArray = NDArray[np.float64]
Observation = Any
"""An array, or a mapping of arrays."""

LONGEST = 1000
"""Pairs of an episode that count, its last: the memory of episodes, and of one pass through Q."""


class ObservedBuffer:
    """
    Takes what a replay buffer takes, and shows it to observers first.

    :param buffer: the replay buffer
    :param observers: called with the arguments of the buffer's ``add``
    """

    def __init__(self, buffer: ReplayBuffer, observers: Sequence[Callable[..., None]]) -> None:
        self._buffer = buffer
        self._observers = observers

    def add(self, *transition: Any) -> None:
        """
        :param transition: arguments of the buffer's ``add``
        """
        for observe in self._observers:
            observe(*transition)
        self._buffer.add(*transition)


@dataclass
class Transition:
    """
    One step of one environment, before normalisation.

    :param observation: at the start
    :param action: in [-1, 1], ``(action_dim,)``
    :param reward: of the environment
    """

    observation: Observation
    action: np.ndarray
    reward: float


@dataclass
class Finished:
    """
    An episode as it was played.

    :param transitions: of its last steps, at most ``LONGEST``
    :param last: the observation that it ended with
    :param terminated: whether it ended, rather than was cut
    """

    transitions: deque[Transition]
    last: Observation
    terminated: bool


class EpisodeRecorder:
    """
    Keeps the present episodes and the latest finished one.

    :param n_envs: number of environments
    :param bootstraps: whether an episode that a time limit cut counts as not ended
    """

    def __init__(self, n_envs: int, bootstraps: bool) -> None:
        self.finished: Finished | None = None
        self._bootstraps = bootstraps
        self._running = [_no_steps() for _ in range(n_envs)]

    def observe(
        self,
        obs: Any,
        next_obs: Any,
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: list[dict[str, Any]],
        streams: np.ndarray | None = None,
    ) -> None:
        """
        Record one transition of each of ``k`` environments.

        :param obs: ``(k, *shape)``
        :param next_obs: ``(k, *shape)``, the last one of the episode where ``done``
        :param action: ``(k, *action shape)``
        :param reward: ``(k,)``
        :param done: ``(k,)``
        :param infos: of each environment
        :param streams: which environments, ``(k,)``; nothing for all of them
        """
        for index, stream in enumerate(range(len(reward)) if streams is None else streams):
            running = self._running[stream]
            taken = action[index].flatten()
            running.append(Transition(_row(obs, index), taken, float(reward[index])))
            if done[index]:
                cut = self._bootstraps and infos[index].get("TimeLimit.truncated", False)
                self.finished = Finished(running, _row(next_obs, index), not cut)
                self._running[stream] = _no_steps()

    def restart(self, streams: np.ndarray) -> None:
        """
        Environments begin anew.

        :param streams: which, ``(k,)``
        """
        for stream in streams:
            self._running[stream] = _no_steps()


def _no_steps() -> deque[Transition]:
    return deque(maxlen=LONGEST)


def _row(observations: Any, index: int) -> Observation:
    if isinstance(observations, dict):
        return {key: value[index].copy() for key, value in observations.items()}
    return observations[index].copy()


def discounted_returns(rewards: FloatArray, bonuses: FloatArray, gamma: float) -> FloatArray:
    """
    ``G_t = r_t + gamma (G_{t+1} + bonus_{t+1})``: the action at t is given, so its own bonus is no
    part of it.

    :param rewards: ``(t,)``
    :param bonuses: ``(t,)``
    :param gamma: discount
    :return: ``(t,)``
    """
    returns = rewards.copy()
    for step in range(len(rewards) - 2, -1, -1):
        returns[step] += gamma * (returns[step + 1] + bonuses[step + 1])
    return returns
