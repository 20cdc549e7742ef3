"""Which next observations the following row holds, and those that it does not."""

import numpy as np

FOLLOWS = -1
"""In place of a slot: the next observation is the observation of the following row."""


class Successors:
    """
    Next observations beside the table of observations, where it does not hold them.

    Those are the last ones of episodes and of streams that were cut, and of each environment the
    newest, whose following row is not written yet. Observations are compared by their bits.

    :param length: rows per environment
    :param n_envs: number of environments
    :param width: numbers per observation
    :param dtype: of the observations
    """

    def __init__(self, length: int, n_envs: int, width: int, dtype: np.dtype) -> None:
        self.slots = np.full((length, n_envs), FOLLOWS, np.int32)
        # The newest of each environment come first.
        self.rows = np.zeros((n_envs, width), dtype)
        self.free: list[int] = []

    def add(self, pos: int, observations: np.ndarray, next_observations: np.ndarray) -> None:
        """
        :param pos: of the row that is about to be written
        :param observations: that it will hold, ``(n_envs, width)``
        :param next_observations: those after it, ``(n_envs, width)``
        """
        n_envs = len(observations)
        own = np.arange(n_envs)
        before = self.slots[pos - 1]
        newest = before == own
        same = (self.rows[:n_envs].view(np.uint8) == observations.view(np.uint8)).all(axis=1)
        before[newest & same] = FOLLOWS
        for env in np.flatnonzero(newest & ~same):
            slot = self._take_slot()
            self.rows[slot] = self.rows[env]
            before[env] = slot
        overwritten = self.slots[pos]
        self.free.extend(overwritten[overwritten >= n_envs].tolist())
        overwritten[:] = own
        self.rows[:n_envs] = next_observations

    def _take_slot(self) -> int:
        if not self.free:
            used = len(self.rows)
            self.rows = np.concatenate((self.rows, np.zeros_like(self.rows)))
            self.free = list(range(used, len(self.rows)))
        return self.free.pop()

    def follow(self, index: np.ndarray) -> np.ndarray:
        """
        :param index: of transitions, ``row * n_envs + environment``, any shape
        :return: whether the next observation of each is the observation of the following row
        """
        found: np.ndarray = self.slots.reshape(-1)[index] == FOLLOWS
        return found

    def elsewhere(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """
        :param index: of transitions, ``row * n_envs + environment``, shape ``(k,)``
        :return: positions in ``index`` whose next observation is here, and these observations
        """
        slots = self.slots.reshape(-1)[index]
        positions = np.flatnonzero(slots != FOLLOWS)
        return positions, self.rows[slots[positions]]
