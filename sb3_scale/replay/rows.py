"""A table of transitions that holds each observation once."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.preprocessing import get_action_dim

from sb3_scale.replay.table import Table, check_range, select, signed, upload

if TYPE_CHECKING:
    from sb3_scale.replay.observations import Layout

FOLLOWS = -1
"""In place of a slot: the next observation is the observation of the following row."""


def row_type(layout: "Layout", action_space: spaces.Space[Any]) -> np.dtype[Any]:
    """
    What one transition stores in one piece, so that a random read touches one place in memory.

    :param layout: of the observations
    :param action_space: of the environment
    :return: a structured type with the fields ``observation``, ``action`` and ``outcome``, which is
        (reward, done, timeout), each flat
    """
    observation = ("observation", layout.dtype, (math.prod(layout.shape),))
    return np.dtype([observation, *outcome_fields(action_space)], align=True)


def outcome_fields(action_space: spaces.Space[Any]) -> list[tuple[str, Any, tuple[int]]]:
    """
    :param action_space: of the environment
    :return: the fields ``action`` and ``outcome`` of a row
    """
    action_type = np.dtype(ReplayBuffer._maybe_cast_dtype(action_space.dtype))
    if isinstance(action_space, spaces.Box) and np.issubdtype(action_type, np.integer):
        # Whole actions are stored scaled to [-1, 1].
        action_type = np.dtype(np.float32)
    return [
        ("action", action_type, (get_action_dim(action_space),)),
        ("outcome", np.float32, (3,)),
    ]


def filled_rows(
    row: np.dtype[Any], count: int, action: Any, reward: Any, done: Any, timeout: Any | None
) -> np.ndarray:
    """
    :param row: of :func:`row_type`
    :param count: number of transitions
    :param action: of all of them, in any shape
    :param reward: likewise
    :param done: likewise
    :param timeout: whether an episode ended by a time limit; nothing for never
    :return: rows without observations, ``(count,)``
    """
    rows = np.zeros(count, row)
    rows["action"] = np.reshape(action, (count, -1))
    outcome = rows["outcome"]
    outcome[:, 0] = np.reshape(reward, count)
    outcome[:, 1] = np.reshape(done, count)
    if timeout is not None:
        outcome[:, 2] = np.reshape(timeout, count)
    return rows


class Rows(Table):
    """
    A table of transitions; ``row = position * n_envs + stream``, and each stream is a ring.

    :param length: rows per stream, all zero
    :param n_envs: number of streams
    :param row: of :func:`row_type`
    :param place: device that holds them
    """

    def __init__(self, length: int, n_envs: int, row: np.dtype[Any], place: th.device) -> None:
        super().__init__(length, n_envs, row, place)
        observation = row["observation"]
        self.successors = Successors(length, n_envs, observation.shape[0], observation.base)

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
        :param rows: of the type ``row``, without observations, ``(k, m)``
        :param observations: ``(k, m, width)``
        :param next_observations: ``(k, m, width)``
        """
        observations = np.ascontiguousarray(observations, self.row["observation"].base)
        rows["observation"] = observations
        self.successors.write(position, streams, observations, next_observations)
        self.write_rows(position, streams, rows)

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
        pairs = self.gather_bits("observation", where, pinned)
        found, beside = self.successors.beside(last)
        kind = self.kinds["observation"]
        if len(found):
            beside = signed(beside, kind)
            pairs.index_copy_(0, upload(found + size, self.place), upload(beside, self.place))
        if pairs.dtype != kind:
            pairs = pairs.view(kind)
        actions = self.gather("action", where[:size], pinned)
        ends = where[:size] if last is index else upload(last, self.place)
        return pairs, actions, self.gather("outcome", ends, pinned)

    def following(self, index: np.ndarray, columns: slice) -> th.Tensor:
        """
        :param index: of rows, ``(k,)``
        :param columns: of the observations
        :return: these columns of the next observation of each, ``(k, width)``
        """
        where = upload((index + self.n_envs) % len(self.bytes), self.place)
        found = select(self.fields["observation"][:, columns], where, pinned=False)
        positions, beside = self.successors.beside(index)
        if len(positions):
            kept = np.ascontiguousarray(signed(beside, self.kinds["observation"])[:, columns])
            found.index_copy_(0, upload(positions, self.place), upload(kept, self.place))
        return found

    def follow(self, index: np.ndarray) -> np.ndarray:
        """
        :param index: of rows, any shape
        :return: whether the next observation of each is the observation of the following row
        """
        found: np.ndarray = self.successors.slots.reshape(-1)[index] == FOLLOWS
        return found

    def observations(self) -> np.ndarray:
        """
        :return: of all rows, ``(length, n_envs, width)``, as :meth:`to_numpy` gives them
        """
        return self.to_numpy("observation")

    def next_observations(self) -> np.ndarray:
        """
        :return: of all rows, ``(length, n_envs, width)``, a copy that cannot be written to
        """
        found = np.roll(self.to_numpy("observation"), -1, axis=0)
        positions, beside = self.successors.beside(np.arange(len(self.bytes)))
        found.reshape(len(self.bytes), -1)[positions] = beside
        found.flags.writeable = False
        return found

    def numbers(self, what: str) -> np.ndarray:
        """
        :param what: ``observations`` or ``next_observations``
        :return: those of them that are stored, which may be not finite
        """
        return self.successors.rows if what == "next_observations" else self.observations()

    def arrays(self, longest: int) -> dict[str, np.ndarray | th.Tensor]:
        """
        :param longest: rows of a stream that are in use
        :return: what a file holds of them, the memory itself
        """
        return {
            "rows": self.bytes[: longest * self.n_envs],
            "slots": self.successors.slots[:longest],
            "beside": self.successors.rows,
        }

    def room(self, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
        """
        :param shapes: of the arrays of a file
        :return: where their bytes go; the rows are on the host
        """
        successors = self.successors
        successors.rows = np.zeros(shapes["beside"], successors.rows.dtype)
        return {
            "rows": self.bytes.numpy()[: shapes["rows"][0]],
            "slots": successors.slots[: shapes["slots"][0]],
            "beside": successors.rows,
        }

    def take(self, written: np.ndarray) -> None:
        """
        Called when the arrays of :meth:`room` are filled.

        :param written: transitions that each stream got so far, ``(n_envs,)``
        :raises ValueError: if the arrays do not fit each other
        """
        slots, rows = self.successors.slots, self.successors.rows
        check_range("slots", slots, FOLLOWS, len(rows) - 1)
        if rows.shape[1:] != (self.row["observation"].shape[0],):
            raise ValueError(f"its observations beside have shape {rows.shape}")
        used = slots[slots >= self.n_envs].tolist()
        if len(rows) < self.n_envs or len(set(used)) < len(used):
            raise ValueError("its observations beside belong to no transitions")
        self.successors.free = sorted(set(range(self.n_envs, len(rows))) - set(used))


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
