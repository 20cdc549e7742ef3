"""Which transitions of a replay buffer belong to one episode, as hindsight needs it."""

import numpy as np
from stable_baselines3.her.goal_selection_strategy import GoalSelectionStrategy

NONE = np.zeros(0, np.int64)


class Episodes:
    """
    Where the episode of each transition begins and how long it is, once it has ended.

    :param length: rows per stream, a ring
    :param n_envs: number of streams
    """

    def __init__(self, length: int, n_envs: int) -> None:
        self.length, self.n_envs = length, n_envs
        self.starts = np.zeros((length, n_envs), np.int32)
        self.lengths = np.zeros((length, n_envs), np.int32)
        """0 as long as an episode goes on, and once its first transition is overwritten."""
        self.begun = np.zeros(n_envs, np.int32)
        """Where the episode began that each stream is in."""

    def write(
        self, position: int, streams: slice, dones: np.ndarray, goes_on: np.ndarray
    ) -> np.ndarray:
        """
        :param position: of the first of ``k`` rows that were written, of which none is at the
            beginning of the ring but the first
        :param streams: ``m`` of them
        :param dones: whether an episode ended, ``(k, m)``
        :param goes_on: whether the first row goes on where the one before it ended, ``(m,)``
        :return: rows that can be drawn from now on, or no longer, ``position * n_envs + stream``
        """
        first, changed = streams.start, [NONE]
        if not goes_on.all():
            cut = ~goes_on & (self.begun[streams] != position)
            changed += [self.end(each + first, position) for each in _where(cut)]
        for step, ended in enumerate(dones, position):
            changed += [
                self._forget(each + first, step) for each in _where(self.lengths[step, streams])
            ]
            self.starts[step, streams] = self.begun[streams]
            changed += [self.end(each + first, step + 1) for each in _where(ended)]
        return np.concatenate(changed) if len(changed) > 1 else NONE

    def end(self, stream: int, stop: int) -> np.ndarray:
        """
        End the episode that a stream is in.

        :param stream: one of them
        :param stop: position after its last transition
        :return: its rows
        """
        start = int(self.begun[stream])
        size = (stop - start - 1) % self.length + 1
        positions = np.arange(start, start + size) % self.length
        self.lengths[positions, stream] = size
        self.begun[stream] = stop % self.length
        return positions * self.n_envs + stream

    def _forget(self, stream: int, position: int) -> np.ndarray:
        """The rest of an episode, from a row that is overwritten on."""
        stop = int(self.starts[position, stream] + self.lengths[position, stream])
        # An episode may begin at the end of the ring.
        size = (stop - position - 1) % self.length + 1
        positions = np.arange(position, position + size) % self.length
        self.lengths[positions, stream] = 0
        return positions * self.n_envs + stream

    def drawable(self, rows: np.ndarray) -> np.ndarray:
        """
        :param rows: any of them
        :return: whether the episode of each has ended
        """
        found: np.ndarray = self.lengths.reshape(-1)[rows] > 0
        return found

    def goals(self, rows: np.ndarray, strategy: GoalSelectionStrategy) -> np.ndarray:
        """
        Draw transitions of the same episodes, with the draws of Stable-Baselines3.

        :param rows: that are drawable, ``(k,)``
        :param strategy: which transitions: the last one, those from this one on, or all
        :return: rows whose next observation has the new goal, ``(k,)``
        """
        positions, streams = np.divmod(rows, self.n_envs)
        starts, lengths = self.starts[positions, streams], self.lengths[positions, streams]
        if strategy is GoalSelectionStrategy.FINAL:
            within: np.ndarray = lengths - 1
        else:
            future = strategy is GoalSelectionStrategy.FUTURE
            lowest = (positions - starts) % self.length if future else np.zeros_like(lengths)
            within = np.random.randint(lowest, lengths)
        found: np.ndarray = (within + starts) % self.length * self.n_envs + streams
        return found


def _where(flags: np.ndarray) -> list[int]:
    """Almost always none of them is set, which this tells sooner."""
    found: list[int] = np.flatnonzero(flags).tolist() if np.count_nonzero(flags) else []
    return found
