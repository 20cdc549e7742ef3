"""How transitions lie in memory: rows of bytes in one tensor, on the host or on a GPU."""

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.preprocessing import get_action_dim

HOST = th.device("cpu")

FOLLOWS = -1
"""In place of a slot: the next observation is the observation of the following row."""

_SIGNED = {
    th.uint16: (th.int16, np.int16),
    th.uint32: (th.int32, np.int32),
    th.uint64: (th.int64, np.int64),
}
"""What PyTorch gathers and copies in place of types that it only holds: the same bits."""


def row_type(observation_space: spaces.Box, action_space: spaces.Space[Any]) -> np.dtype[Any]:
    """
    What one transition stores in one piece, so that a random read touches one place in memory.

    :param observation_space: of the environment
    :param action_space: of the environment
    :return: a structured type with the fields ``observation``, ``action`` and ``outcome``, which is
        (reward, done, timeout), each flat
    """
    action_type = np.dtype(ReplayBuffer._maybe_cast_dtype(action_space.dtype))
    if isinstance(action_space, spaces.Box) and np.issubdtype(action_type, np.integer):
        # Whole actions are stored scaled to [-1, 1].
        action_type = np.dtype(np.float32)
    width = int(np.prod(observation_space.shape))
    return np.dtype(
        [
            ("observation", observation_space.dtype, (width,)),
            ("action", action_type, (get_action_dim(action_space),)),
            ("outcome", np.float32, (3,)),
        ],
        align=True,
    )


def upload(array: np.ndarray, device: th.device) -> th.Tensor:
    """
    :param array: on the host, not changed before the copy is done where the device is the host
    :param device: where it is wanted
    :return: the same there, without waiting for the device
    """
    tensor = th.from_numpy(array)
    # PyTorch keeps pinned memory until the copy out of it is done.
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


class Rows:
    """
    A table of transitions; ``row = position * n_envs + stream``, and each stream is a ring.

    :param length: rows per stream, all zero
    :param n_envs: number of streams
    :param row: of :func:`row_type`
    :param place: device that holds them
    """

    def __init__(self, length: int, n_envs: int, row: np.dtype[Any], place: th.device) -> None:
        self.length, self.n_envs, self.row = length, n_envs, row
        observation = row["observation"]
        self.successors = Successors(length, n_envs, observation.shape[0], observation.base)
        self._allocate(place)

    def _allocate(self, place: th.device) -> None:
        self.place = place
        shape = (self.length * self.n_envs, self.row.itemsize)
        # On the host memory is taken when it is first written to, by NumPy alone.
        self.bytes = (
            th.from_numpy(np.zeros(shape, np.uint8))
            if place == HOST
            else th.zeros(shape, dtype=th.uint8, device=place)
        )
        self.by_stream = self.bytes.view(self.length, self.n_envs, -1)
        # NumPy writes a row in a fifth of the time that PyTorch takes.
        self.host = self.by_stream.numpy() if place == HOST else None
        names = self.row.names or ()
        self.kinds = {name: th.from_numpy(np.empty(0, self.row[name].base)).dtype for name in names}
        self.fields = {name: self._field(name) for name in names}

    def _field(self, name: str) -> th.Tensor:
        assert self.row.fields is not None
        field, offset = self.row.fields[name][:2]
        kind = self.kinds[name]
        kind, _ = _SIGNED.get(kind, (kind, None))
        return self.bytes[:, offset : offset + field.itemsize].view(kind)

    def move(self, place: th.device) -> None:
        """
        :param place: device that holds the rows from now on
        """
        before = self.bytes
        self._allocate(place)
        self.bytes.copy_(before)

    def write(
        self, position: int, streams: slice, rows: np.ndarray, next_observations: np.ndarray
    ) -> None:
        """
        Write ``k`` transitions in a row of each of ``m`` streams that are next to each other.

        :param position: of the first one, at most ``length - k``
        :param streams: the ``m`` streams
        :param rows: of the type ``row``, ``(k, m)``
        :param next_observations: ``(k, m, width)``
        """
        observations = np.ascontiguousarray(rows["observation"])
        self.successors.write(position, streams, observations, next_observations)
        flat = rows.view(np.uint8).reshape(*rows.shape, -1)
        where = slice(position, position + len(rows)), streams
        if self.host is not None:
            self.host[where] = flat
        else:
            self.by_stream[where].copy_(upload(flat, self.place), non_blocking=True)

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
        size = len(index)
        following = (last + self.n_envs) % len(self.bytes)
        where = upload(np.concatenate((index, following)), self.place)
        pairs = self._gather_bits("observation", where, pinned)
        found, beside = self.successors.beside(last)
        kind = self.kinds["observation"]
        if len(found):
            if kind in _SIGNED:
                beside = beside.view(_SIGNED[kind][1])
            pairs.index_copy_(0, upload(found + size, self.place), upload(beside, self.place))
        if kind in _SIGNED:
            pairs = pairs.view(kind)
        actions = self.gather("action", where[:size], pinned)
        ends = where[:size] if last is index else upload(last, self.place)
        return pairs, actions, self.gather("outcome", ends, pinned)

    def gather(self, name: str, index: th.Tensor, pinned: bool) -> th.Tensor:
        """
        :param name: of a field
        :param index: of rows, int64, shape ``(k,)``, where the rows are
        :param pinned: whether the result goes on to a GPU
        :return: a copy, shape ``(k, width of the field)``
        """
        found, kind = self._gather_bits(name, index, pinned), self.kinds[name]
        return found.view(kind) if kind in _SIGNED else found

    def _gather_bits(self, name: str, index: th.Tensor, pinned: bool) -> th.Tensor:
        field = self.fields[name]
        shape = (len(index), field.shape[1])
        found = th.empty(shape, dtype=field.dtype, device=self.place, pin_memory=pinned)
        return th.index_select(field, 0, index, out=found)

    def to_numpy(self, name: str) -> np.ndarray:
        """
        :param name: of a field
        :return: all rows, ``(length, n_envs, width of the field)``: the memory itself where it is
            on the host, else a copy that cannot be written to
        """
        array: np.ndarray = self.fields[name].cpu().numpy().view(self.row[name].base)
        if self.place != HOST:
            array.flags.writeable = False
        return array.reshape(self.length, self.n_envs, -1)

    def next_observations(self) -> np.ndarray:
        """
        :return: of all rows, ``(length, n_envs, width)``, a copy that cannot be written to
        """
        found = np.roll(self.to_numpy("observation"), -1, axis=0)
        positions, beside = self.successors.beside(np.arange(len(self.bytes)))
        found.reshape(len(self.bytes), -1)[positions] = beside
        found.flags.writeable = False
        return found


class Successors:
    """
    Next observations beside the table of observations, where it does not hold them.

    Those are the last ones of episodes and of streams that were cut, and of each stream the newest,
    whose following row is not written yet. Observations are compared by their bits.

    :param length: rows per stream
    :param n_envs: number of streams
    :param width: numbers per observation
    :param dtype: of the observations
    """

    def __init__(self, length: int, n_envs: int, width: int, dtype: np.dtype) -> None:
        self.slots = np.full((length, n_envs), FOLLOWS, np.int32)
        # The newest of each stream come first.
        self.rows = np.zeros((n_envs, width), dtype)
        self.own = np.arange(n_envs, dtype=np.int32)
        self.free: list[int] = []

    def write(
        self,
        position: int,
        streams: slice,
        observations: np.ndarray,
        next_observations: np.ndarray,
    ) -> None:
        """
        :param position: of the first of the rows that are about to be written
        :param streams: of these rows
        :param observations: that they will hold, ``(k, m, width)``, contiguous
        :param next_observations: those after them, ``(k, m, width)``
        """
        own = self.own[streams]
        before = self.slots[position - 1, streams]
        newest = before == own
        expected = self.rows[streams]
        # Within episodes all are the same, and this tells so in a twentieth of the time.
        if expected.tobytes() == observations[0].tobytes():
            before[newest] = FOLLOWS
        else:
            same = _same_bits(expected, observations[0])
            before[newest & same] = FOLLOWS
            for each in np.flatnonzero(newest & ~same):
                before[each] = self._keep(self.rows[own[each]])
        overwritten = self.slots[position : position + len(observations), streams]
        self.free.extend(overwritten[overwritten >= len(self.own)].tolist())
        if len(observations) > 1:
            overwritten[:-1] = FOLLOWS
            after = np.ascontiguousarray(next_observations[:-1], self.rows.dtype)
            for at in np.argwhere(~_same_bits(after, observations[1:])):
                overwritten[tuple(at)] = self._keep(after[tuple(at)])
        overwritten[-1] = own
        self.rows[streams] = next_observations[-1]

    def _keep(self, observation: np.ndarray) -> int:
        if not self.free:
            used = len(self.rows)
            self.rows = np.concatenate((self.rows, np.zeros_like(self.rows)))
            self.free = list(range(used, len(self.rows)))
        slot = self.free.pop()
        self.rows[slot] = observation
        return slot

    def follow(self, index: np.ndarray) -> np.ndarray:
        """
        :param index: of rows, any shape
        :return: whether the next observation of each is the observation of the following row
        """
        found: np.ndarray = self.slots.reshape(-1)[index] == FOLLOWS
        return found

    def beside(self, index: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """
        :param index: of rows, ``(k,)``
        :return: positions in ``index`` whose next observation is here, and these observations
        """
        slots = self.slots.reshape(-1)[index]
        positions = np.flatnonzero(slots != FOLLOWS)
        return positions, self.rows[slots[positions]]


def _same_bits(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """
    :param one: contiguous, ``(..., width)``
    :param other: likewise, of the same type
    :return: whether the numbers of each row have the same bits, ``(...)``
    """
    found: np.ndarray = (one.view(np.uint8) == other.view(np.uint8)).all(axis=-1)
    return found
