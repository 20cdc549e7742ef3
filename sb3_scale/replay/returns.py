"""Returns over several steps, bit for bit those of Stable-Baselines3's ``NStepReplayBuffer``."""

from collections.abc import Callable

import numpy as np


class Returns:
    """
    Rewards on the host, and where sequences end.

    :param n_steps: of the returns
    :param gamma: discount factor
    :param length: rows per stream
    :param n_envs: number of streams
    """

    def __init__(self, n_steps: int, gamma: float, length: int, n_envs: int) -> None:
        self.n_steps, self.gamma, self.n_envs = n_steps, gamma, n_envs
        self.rewards = np.zeros((length, n_envs), np.float32)
        # Where an episode ends, by whatever.
        self.ends = np.zeros((length, n_envs), bool)

    def write(self, position: int, streams: slice, outcome: np.ndarray) -> None:
        """
        :param position: of the first of ``k`` rows
        :param streams: ``m`` of them
        :param outcome: (reward, done, timeout), ``(k, m, 3)``
        """
        where = slice(position, position + len(outcome)), streams
        self.rewards[where] = outcome[..., 0]
        self.ends[where] = outcome[..., 1:].any(axis=-1)

    def sequences(
        self, index: np.ndarray, follow: Callable[[np.ndarray], np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        :param index: of the first transition of each, ``position * n_envs + stream``, ``(b,)``
        :param follow: tells of rows whether the following one goes on
        :return: rows of each, ``(b, n_steps)``, and how many of them are in it, ``(b,)``
        """
        steps = np.arange(self.n_steps) * self.n_envs
        rows = (index[:, None] + steps) % self.rewards.size
        ends = self.ends.reshape(-1)[rows] | ~follow(rows)
        ends[:, -1] = True
        return rows, ends.argmax(axis=1) + 1

    def discounted(
        self,
        rows: np.ndarray,
        steps: np.ndarray,
        normalize: Callable[[np.ndarray], np.ndarray],
    ) -> tuple[np.ndarray, np.ndarray]:
        """
        :param rows: of :meth:`sequences`
        :param steps: likewise
        :param normalize: for the rewards
        :return: ``sum_k gamma^k r_(t+k)`` and ``gamma^steps``, ``(b, 1)``, float32
        """
        rewards = normalize(self.rewards.reshape(-1)[rows])
        discounts = self.gamma ** np.arange(self.n_steps, dtype=np.float32)
        # In the order of Stable-Baselines3: sums of float32 depend on it.
        weighted = rewards * discounts * (np.arange(self.n_steps) < steps[:, None])
        returns: np.ndarray = weighted.sum(axis=1, keepdims=True)
        return returns, self.gamma ** steps.astype(np.float32)[:, None]
