"""A table of transitions whose observations are stacks of frames, each frame stored once."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces

from sb3_scale.replay.frame_layouts import StackLayout
from sb3_scale.replay.frame_store import FrameStore, frames_for
from sb3_scale.replay.rows import outcome_fields
from sb3_scale.replay.sharing import Sharing
from sb3_scale.replay.table import Table, check_range, upload

STATES = ("state", "next_state")
"""Fields of what observations hold beside their frames."""


def frame_row_type(layout: StackLayout, action_space: spaces.Space[Any]) -> np.dtype[Any]:
    """
    :param layout: of the observations
    :param action_space: of the environment
    :return: what one transition stores beside its frames
    """
    states = [(name, np.uint8, (layout.state_bytes,)) for name in STATES if layout.state_bytes]
    return np.dtype([*outcome_fields(action_space), *states], align=True)


class FrameRows(Table):
    """
    A table of transitions; ``row = position * n_envs + stream``, and each stream is a ring.

    A row holds the numbers of the frames of its observation and of its next observation. Whether a
    frame is there already is found by its bits, among those of the observation before.

    :param length: rows per stream, all zero
    :param n_envs: number of streams
    :param row: of :func:`frame_row_type`
    :param place: device that holds them
    :param layout: of the observations
    :param frame_stack: frames in an observation
    """

    def __init__(
        self,
        length: int,
        n_envs: int,
        row: np.dtype[Any],
        place: th.device,
        layout: StackLayout,
        frame_stack: int,
    ) -> None:
        super().__init__(length, n_envs, row, place)
        self.frame_stack = frame_stack
        self.stack_bytes, self.has_state = layout.stack_bytes, layout.state_bytes > 0
        width = layout.stack_bytes // frame_stack
        self.store = FrameStore(frames_for(length * n_envs, n_envs, frame_stack), width, place)
        # Of the observation and of the next one.
        self.stacks = np.zeros((length, n_envs, 2, frame_stack), np.int32)
        self.follows = np.zeros((length, n_envs), bool)
        self.sharing = Sharing(n_envs, frame_stack, layout.channels)
        self._begin()

    def _begin(self) -> None:
        # That of nobody: the black frame is never used for another.
        self.store.take(self.store.used, np.append(self.stacks, 0))
        black = [bytes(self.store.width)] * self.frame_stack
        self._newest = [(black, [0] * self.frame_stack) for _ in range(self.n_envs)]

    def move(self, place: th.device) -> None:
        """
        :param place: device that holds rows and frames from now on
        """
        super().move(place)
        self.store.move(place)

    def write(
        self,
        position: int,
        streams: slice,
        rows: np.ndarray,
        observations: np.ndarray,
        next_observations: np.ndarray,
    ) -> None:
        """
        Write ``k`` transitions in a row of each of ``m`` streams that are next to each other.

        :param position: of the first one, at most ``length - k``
        :param streams: the ``m`` streams
        :param rows: of the type ``row``, ``(k, m)``
        :param observations: ``(k, m, width)``
        :param next_observations: ``(k, m, width)``
        :raises Sb3ScaleError: if there is no memory for so many frames, or most of the first
            observations share none
        """
        for step, (now, after) in enumerate(zip(observations, next_observations, strict=True)):
            for stream, pair in enumerate(zip(now, after, strict=True), streams.start):
                self._link(position + step, stream, *map(self._split, pair))
        if self.has_state:
            for name, each in zip(STATES, (observations, next_observations), strict=True):
                rows[name] = each[..., self.stack_bytes :]
        self.write_rows(position, streams, rows)

    def _split(self, observation: np.ndarray) -> list[bytes]:
        frames = np.asarray(observation, np.uint8)[: self.stack_bytes].reshape(self.frame_stack, -1)
        return [frame.tobytes() for frame in frames]

    def _link(self, position: int, stream: int, now: list[bytes], after: list[bytes]) -> None:
        self.sharing.see(stream, now, after)
        known, numbers = self._newest[stream]
        goes_on = now == known
        if not goes_on:
            numbers = self._find(now, known, numbers)
        following = self._find(after, now, numbers)
        # Held before others are released: some may be the same.
        held = np.array((numbers, following), np.int32)
        self.store.hold(held.reshape(-1))
        self.store.release(self.stacks[position, stream].reshape(-1))
        self.stacks[position, stream] = held
        self.follows[position - 1, stream] = goes_on
        self.follows[position, stream] = False
        self._newest[stream] = after, following

    def _find(
        self, frames: list[bytes], known: Sequence[bytes], known_numbers: Sequence[int]
    ) -> list[int]:
        """Numbers of frames; those that are not among the known ones are stored."""
        known, numbers = list(known), list(known_numbers)
        found = []
        for frame in frames:
            if frame in known:
                number = numbers[known.index(frame)]
            else:
                number = self.store.store(frame)
                known.append(frame)
                numbers.append(number)
            found.append(number)
        return found

    def read(
        self, index: np.ndarray, last: np.ndarray, pinned: bool
    ) -> tuple[th.Tensor, th.Tensor, th.Tensor]:
        """
        :param index: of the first transition of each sequence, ``(b,)``
        :param last: of the last one; the same array where they have one step
        :param pinned: whether the result goes on to a GPU
        :return: observations at ``index``, then next observations at ``last``, ``(2 b, width)``;
            actions at ``index``; (reward, done, timeout) at ``last``
        """
        stacks = self.stacks.reshape(-1, 2, self.frame_stack)
        numbers = np.concatenate((stacks[index, 0], stacks[last, 1]))
        pairs = self.store.read(numbers.reshape(-1), pinned).view(2 * len(index), -1)
        where = upload(index, self.place)
        ends = where if last is index else upload(last, self.place)
        if self.has_state:
            both = zip(STATES, (where, ends), strict=True)
            states = th.cat([self.gather(name, rows, pinned) for name, rows in both])
            pairs = th.cat((pairs, states), 1)
        return pairs, self.gather("action", where, pinned), self.gather("outcome", ends, pinned)

    def follow(self, index: np.ndarray) -> np.ndarray:
        """
        :param index: of rows, any shape
        :return: whether the next observation of each is the observation of the following row
        """
        found: np.ndarray = self.follows.reshape(-1)[index]
        return found

    def observations(self) -> np.ndarray:
        """
        :return: of all rows, ``(length, n_envs, width)``, a copy that cannot be written to
        """
        return self._stacked(0)

    def next_observations(self) -> np.ndarray:
        """
        :return: of all rows, ``(length, n_envs, width)``, a copy that cannot be written to
        """
        return self._stacked(1)

    def _stacked(self, which: int) -> np.ndarray:
        found = self.store.read(self.stacks[:, :, which].reshape(-1), pinned=False).cpu().numpy()
        found = found.reshape(self.length, self.n_envs, -1)
        if self.has_state:
            found = np.concatenate((found, self.to_numpy(STATES[which])), axis=-1)
        found.flags.writeable = False
        return found

    def numbers(self, what: str) -> np.ndarray:
        """
        :param what: ``observations`` or ``next_observations``
        :return: states; frames are bytes, all finite
        """
        if not self.has_state:
            return np.zeros(0, np.uint8)
        return self.to_numpy(STATES[what == "next_observations"])

    def arrays(self, longest: int) -> dict[str, np.ndarray | th.Tensor]:
        """
        :param longest: rows of a stream that are in use
        :return: what a file holds of them, the memory itself
        """
        return {
            "rows": self.bytes[: longest * self.n_envs],
            "stacks": self.stacks[:longest],
            "follows": self.follows[:longest],
            "frames": self.store.frames[: self.store.used],
        }

    def room(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
        """
        :param shapes: of the arrays of a file
        :return: where their bytes go; the rows are on the host
        :raises Sb3ScaleError: if there is no memory for the frames
        """
        count, longest = shapes["frames"][0], shapes["stacks"][0]
        self.store.reserve(count)
        self.store.used = count
        return {
            "rows": self.bytes.numpy()[: shapes["rows"][0]],
            "stacks": self.stacks[:longest],
            "follows": self.follows[:longest],
            "frames": self.store.frames.numpy()[:count],
        }

    def take(self, written: np.ndarray) -> None:
        """
        Called when the arrays of :meth:`room` are filled.

        :param written: transitions that each stream got so far, ``(n_envs,)``
        :raises ValueError: if the arrays do not fit each other
        """
        check_range("stacks", self.stacks, 0, self.store.used - 1)
        self._begin()
        self.sharing.resume(written)
        for stream, count in enumerate(written.tolist()):
            if count:
                numbers = self.stacks[(count - 1) % self.length, stream, 1]
                frames = self.store.read(numbers, pinned=False).cpu().numpy()
                self._newest[stream] = [each.tobytes() for each in frames], numbers.tolist()
