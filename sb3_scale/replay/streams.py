"""Where each stream of a replay buffer is, and what a fragment of one must be."""

from typing import Any

import numpy as np

from sb3_scale.errors import Sb3ScaleError


class Streams:
    """
    Positions of streams, each in a ring of its own.

    :param length: of each ring
    :param n_envs: number of streams
    """

    def __init__(self, length: int, n_envs: int) -> None:
        self.length = length
        self.written = np.zeros(n_envs, np.int64)
        self.lockstep = True

    @property
    def stored(self) -> int:
        """Transitions that were not overwritten, of all streams."""
        return int(np.minimum(self.written, self.length).sum())

    @property
    def longest(self) -> int:
        """Transitions of the stream that has most."""
        return min(int(self.written.max()), self.length)

    def position(self, stream: int) -> int:
        """
        :param stream: one of them
        :return: where its next transition goes
        """
        return int(self.written[stream]) % self.length

    def next_rows(self) -> np.ndarray:
        """
        :return: where the next transition of each stream goes, ``position * n_envs + stream``,
            ``(n_envs,)``
        """
        n_envs = len(self.written)
        rows: np.ndarray = self.written % self.length * n_envs + np.arange(n_envs)
        return rows

    def last_rows(self, stream: int, steps: int) -> np.ndarray:
        """
        :param stream: one of them
        :param steps: number of transitions
        :return: where its last ones are, oldest first, ``(steps,)``; of more than a ring holds the
            rows come again
        """
        positions = (self.written[stream] - steps + np.arange(steps)) % self.length
        rows: np.ndarray = positions * len(self.written) + stream
        return rows

    def advance(self, stream: int, steps: int) -> tuple[int, bool]:
        """
        :param stream: that was written to
        :param steps: transitions that were written
        :return: position of the stream with the fewest transitions, and whether its ring is full
        """
        self.written[stream] += steps
        fewest = int(self.written.min())
        self.lockstep = bool((self.written == fewest).all())
        return fewest % self.length, fewest >= self.length

    def reset(self) -> None:
        """Forget what was written."""
        self.written[:] = 0
        self.lockstep = True

    def locate(self, numbers: np.ndarray) -> np.ndarray:
        """
        :param numbers: from 0 to ``stored - 1``, ``(b,)``
        :return: one row for each number, ``position * n_envs + stream``, ``(b,)``
        """
        if self.lockstep:
            return numbers
        ends = np.minimum(self.written, self.length).cumsum()
        streams = np.searchsorted(ends, numbers, side="right")
        positions = numbers - np.concatenate(([0], ends))[streams]
        rows: np.ndarray = positions * len(self.written) + streams
        return rows


def check_stream(stream: int, n_envs: int) -> None:
    """
    :param stream: that is about to be written
    :param n_envs: number of streams of the buffer
    :raises Sb3ScaleError: if the buffer has no such stream
    """
    if not isinstance(stream, (int, np.integer)) or not 0 <= stream < n_envs:
        raise Sb3ScaleError(
            f"stream is {stream}, and the replay buffer has {n_envs} of them; "
            f"allowed: 0 to {n_envs - 1}"
        )


def check_shapes(
    obs_shape: tuple[int, ...], action_shapes: tuple[tuple[int, ...], ...], **arrays: Any
) -> int:
    """
    :param obs_shape: of one observation
    :param action_shapes: that one action may have
    :param arrays: of the fragment, by the names of ``add_stream``; ``obs`` and ``reward`` among
        them
    :return: number of transitions
    :raises Sb3ScaleError: if there is none, or an array has another shape than the others ask for
    """
    steps = np.shape(arrays["obs"])[:1]
    if not steps or steps[0] == 0:
        raise Sb3ScaleError(
            f"obs of a fragment has shape {np.shape(arrays['obs'])}; allowed: at least 1 transition"
        )
    wanted = {"obs": (obs_shape,), "next_obs": (obs_shape,), "action": action_shapes}
    for name, array in arrays.items():
        allowed = [(*steps, *shape) for shape in wanted.get(name, ((),))]
        if np.shape(array) not in allowed:
            raise Sb3ScaleError(
                f"{name} of a fragment has shape {np.shape(array)}; allowed: {allowed[0]}"
            )
    return int(steps[0])
