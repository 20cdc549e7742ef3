"""Where each stream of a replay buffer is, and what a fragment of one must be."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.replay.finite import all_finite, first_wrong

if TYPE_CHECKING:
    from sb3_scale.replay.observations import Layout

Shape = tuple[int, ...]


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

    def last_rows(self, streams: slice, steps: int) -> np.ndarray:
        """
        :param streams: some of them
        :param steps: number of transitions
        :return: where the last ones of each are, oldest first, ``(steps, streams)``; of more than a
            ring holds the rows come again
        """
        written = self.written[streams]
        positions = (written - steps + np.arange(steps)[:, None]) % self.length
        rows: np.ndarray = positions * len(self.written) + np.arange(len(self.written))[streams]
        return rows

    def advance(self, streams: slice, steps: int) -> tuple[int, bool]:
        """
        :param streams: that were written to
        :param steps: transitions that were written to each
        :return: position of the stream with the fewest transitions, and whether its ring is full
        """
        self.written[streams] += steps
        fewest = int(self.written.min())
        self.lockstep = bool((self.written == fewest).all())
        return fewest % self.length, fewest >= self.length

    def pieces(
        self, first: int, steps: int, number: int
    ) -> Iterator[tuple[int, slice, slice, slice]]:
        """
        Where transitions go that are written to streams next to each other. Each piece is written
        before the next one is asked for.

        :param first: of the streams
        :param steps: transitions of each
        :param number: of streams
        :return: position of the first of a piece, which ends where the ring does; its streams;
            which steps and which of the ``number`` it has
        """
        position = self.position(first)
        if any(self.position(first + each) != position for each in range(1, number)):
            for each in range(number):
                for position, streams, piece, _ in self.pieces(first + each, steps, 1):
                    yield position, streams, piece, slice(each, each + 1)
            return
        start, streams = 0, slice(first, first + number)
        while start < steps:
            end = min(start + self.length - position, steps)
            yield position, streams, slice(start, end), slice(0, number)
            start, position = end, 0

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
    layout: "Layout",
    action_shapes: tuple[tuple[int, ...], ...],
    axes: int,
    *arrays: Any,
) -> Shape:
    """
    :param layout: of the observations, which are packed
    :param action_shapes: that one action may have
    :param axes: before those of one transition: steps, and streams where there are several
    :param arrays: of the fragment, in the order of ``add_stream``
    :return: number of steps, and of streams where there are several
    :raises Sb3ScaleError: if there is none, an array has another shape than the others ask for, or
        a number is not finite
    """
    names = ("obs", "next_obs", "action", "reward", "done", "timeout")
    steps: Shape = np.shape(arrays[0])[:axes]
    if len(steps) < axes or 0 in steps:
        raise Sb3ScaleError(
            f"obs of a fragment has shape {np.shape(arrays[0])}; allowed: at least 1 transition"
        )
    wanted = {"obs": (layout.shape,), "next_obs": (layout.shape,), "action": action_shapes}
    for name, array in zip(names, arrays, strict=True):
        allowed = [(*steps, *shape) for shape in wanted.get(name, ((),))]
        if np.shape(array) not in allowed:
            raise Sb3ScaleError(
                f"{name} of a fragment has shape {np.shape(array)}; allowed: {allowed[0]}"
            )
        array = np.asarray(array)
        parts = layout.numbers(array) if name.endswith("obs") else {"": array}
        for key, part in parts.items():
            check_finite(f"{name}['{key}'] of a fragment" if key else f"{name} of a fragment", part)
    return steps


def check_finite(name: str, array: np.ndarray) -> None:
    """
    :param name: of the numbers, for the message
    :param array: that is about to be stored
    :raises Sb3ScaleError: if float32 does not hold one of them
    """
    if not all_finite(array):
        place, value = first_wrong(array)
        at = f"at {list(place)} " if place else ""
        raise Sb3ScaleError(f"{name} {at}is {value!s:.50}; allowed: finite numbers")


class Shapes:
    """
    What one call of ``add`` must bring; each combination is looked at once.

    :param n_envs: number of environments
    :param obs_shape: of one observation
    :param action_shape: of one action
    :param action_dim: numbers in an action
    """

    def __init__(self, n_envs: int, obs_shape: Shape, action_shape: Shape, action_dim: int) -> None:
        self._n_envs = n_envs
        observations = [(n_envs, *obs_shape)]
        actions = [(n_envs, *action_shape), (n_envs, action_dim)]
        outcomes: list[Shape] = [(n_envs,)]
        if n_envs == 1:
            # As in Stable-Baselines3, one environment needs no axis of its own.
            observations.append(obs_shape)
            actions += [action_shape, (action_dim,)]
            outcomes += [(), (1, 1)]
        self._allowed = {
            "obs": observations,
            "next_obs": observations,
            "action": actions,
            "reward": outcomes,
            "done": outcomes,
        }
        self._seen: tuple[Any, ...] = ()

    def check(self, *arrays: Any, infos: Any) -> None:
        """
        :param arrays: the first arguments of ``add``
        :param infos: its last
        :raises Sb3ScaleError: if a shape is another than the spaces ask for
        """
        found = (*map(np.shape, arrays), len(infos))
        if found == self._seen:
            return
        for (name, allowed), shape in zip(self._allowed.items(), found, strict=False):
            if shape not in allowed:
                raise Sb3ScaleError(f"{name} has shape {shape}; allowed: {allowed[0]}")
        if len(infos) != self._n_envs:
            raise Sb3ScaleError(
                f"infos has {len(infos)} entries; allowed: {self._n_envs}, one per environment"
            )
        self._seen = found
