"""What of a replay buffer goes into a file of arrays, and how it comes back."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch as th
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from stable_baselines3.her.goal_selection_strategy import GoalSelectionStrategy
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from sb3_scale.replay.table import check_range

if TYPE_CHECKING:
    from sb3_scale.replay.compact import CompactReplayBuffer

Arrays = Mapping[str, np.ndarray | th.Tensor]
Described = Mapping[str, tuple[np.dtype[Any], tuple[int, ...]]]

STOCK = {
    each.__name__: each
    for each in (ReplayBuffer, DictReplayBuffer, NStepReplayBuffer, HerReplayBuffer)
}
"""Classes of Stable-Baselines3 that are saved as arrays."""


class Contents(Protocol):
    """Between a replay buffer and its file. A buffer's class names its own as ``contents``."""

    def __init__(self, buffer: Any) -> None: ...

    def arguments(self) -> dict[str, Any]:
        """
        :return: of the constructor, beside those that the algorithm passes
        """

    def numbers(self) -> dict[str, float]:
        """
        :return: what is no array
        """

    def arrays(self) -> Arrays:
        """
        :return: the rows in use, which may be the buffer's own memory
        """

    def room(self, described: Described) -> dict[str, np.ndarray]:
        """
        :param described: type and shape of each array in the file
        :return: where their bytes go, in a buffer that was just made
        :raises ValueError: if they are not those of such a buffer
        """

    def take(self, numbers: Mapping[str, float]) -> None:
        """
        Called when the arrays are filled.

        :param numbers: that the file has
        :raises ValueError: if numbers or arrays are not those of such a buffer
        """


class StockContents:
    """
    Of the replay buffers of Stable-Baselines3.

    :param buffer: one of :data:`STOCK`
    """

    def __init__(self, buffer: Any) -> None:
        self._buffer = buffer

    def arguments(self) -> dict[str, Any]:
        """
        :return: of the constructor, beside those that the algorithm passes
        """
        names = ["optimize_memory_usage", "handle_timeout_termination"]
        if isinstance(self._buffer, NStepReplayBuffer):
            names += ["n_steps", "gamma"]
        found = {name: getattr(self._buffer, name) for name in names}
        if isinstance(self._buffer, HerReplayBuffer):
            strategies = {value: value.name.lower() for value in GoalSelectionStrategy}
            found["n_sampled_goal"] = self._buffer.n_sampled_goal
            found["goal_selection_strategy"] = strategies[self._buffer.goal_selection_strategy]
        return found

    def numbers(self) -> dict[str, float]:
        """
        :return: position and whether the ring is full
        """
        return {"pos": self._buffer.pos, "full": self._buffer.full}

    def arrays(self) -> Arrays:
        """
        :return: the rows up to the position, with the one after that, which holds an observation
            where each is stored once
        """
        buffer = self._buffer
        rows = buffer.buffer_size if buffer.full else min(buffer.pos + 1, buffer.buffer_size)
        return {
            name: array if name == "_current_ep_start" else array[:rows]
            for name, array in self._all().items()
        }

    def room(self, described: Described) -> dict[str, np.ndarray]:
        """
        :param described: type and shape of each array in the file
        :return: where their bytes go
        :raises ValueError: if they are not those of such a buffer
        """
        arrays = self._all()
        if arrays.keys() != described.keys():
            raise ValueError(f"its arrays are {', '.join(described)}, not {', '.join(arrays)}")
        kind, _ = described["actions"]
        if arrays["actions"].dtype.kind in "iu" and kind == np.float32:
            # Whole actions, which an algorithm stores scaled to [-1, 1].
            self._buffer.actions = arrays["actions"] = arrays["actions"].astype(kind)
        return {name: array[: (*described[name][1], 0)[0]] for name, array in arrays.items()}

    def take(self, numbers: Mapping[str, float]) -> None:
        """
        :param numbers: position and whether the ring is full
        :raises ValueError: if there is no such position
        """
        buffer, pos = self._buffer, numbers["pos"]
        if not (isinstance(pos, int) and 0 <= pos < buffer.buffer_size):
            raise ValueError(f"its position is {pos!r} of {buffer.buffer_size}")
        if isinstance(buffer, HerReplayBuffer):
            for name in ("ep_start", "ep_length", "_current_ep_start"):
                check_range(name, getattr(buffer, name), 0, buffer.buffer_size)
        buffer.pos, buffer.full = pos, bool(numbers["full"])

    def _all(self) -> dict[str, np.ndarray]:
        found = {}
        for name, value in vars(self._buffer).items():
            if isinstance(value, dict):
                for key, array in value.items():
                    if isinstance(array, np.ndarray):
                        found[f"{name}/{key}"] = array
            elif isinstance(value, np.ndarray) and name != "infos":
                found[name] = value
        return found


class CompactContents:
    """
    Of a ``CompactReplayBuffer``.

    :param buffer: that buffer
    """

    def __init__(self, buffer: "CompactReplayBuffer") -> None:
        self._buffer: Any = buffer

    def arguments(self) -> dict[str, Any]:
        """
        :return: of the constructor, beside those that the algorithm passes
        """
        return {name: getattr(self._buffer, name) for name in self._buffer.saved_arguments}

    def numbers(self) -> dict[str, float]:
        """
        :return: nothing, all follows from the arrays
        """
        return {}

    def arrays(self) -> Arrays:
        """
        :return: the rows that were written, as bytes
        """
        table, streams = self._buffer.table, self._buffer.streams
        return {**table.arrays(streams.longest), "written": streams.written}

    def room(self, described: Described) -> dict[str, np.ndarray]:
        """
        :param described: type and shape of each array in the file
        :return: where their bytes go
        :raises ValueError: if they are not those of such a buffer
        """
        shapes = {name: shape for name, (_, shape) in described.items()}
        return {**self._buffer.table.room(shapes), "written": self._buffer.streams.written}

    def take(self, numbers: Mapping[str, float]) -> None:
        """
        :param numbers: without use
        :raises ValueError: if the arrays do not fit each other
        """
        streams = self._buffer.streams
        check_range("written", streams.written, 0, np.iinfo(np.int64).max)
        self._buffer.table.take(streams.written)
        self._buffer.resume()


def contents_of(buffer: Any) -> Contents | None:
    """
    :param buffer: a replay buffer
    :return: what reads and fills it; nothing if its own class does not name that, or it holds
        objects of a user
    """
    kind = type(buffer)
    if getattr(buffer, "copy_info_dict", False):
        return None
    if kind in STOCK.values():
        return StockContents(buffer)
    # Of the class itself: a subclass may have more to save.
    named = vars(kind).get("contents")
    return None if named is None else named(buffer)
