"""Transitions as rows of bytes in one tensor, on the host or on a GPU."""

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.preprocessing import get_action_dim

HOST = th.device("cpu")


def row_type(observation_space: spaces.Box, action_space: spaces.Space[Any]) -> np.dtype[Any]:
    """
    What one transition stores in one piece, so that a random read touches one place in memory.

    :param observation_space: of the environment
    :param action_space: of the environment
    :return: a structured type with the fields ``observation``, ``action`` and ``outcome``, which is
        (reward, done, timeout), each flat
    """
    action_type = np.dtype(ReplayBuffer._maybe_cast_dtype(action_space.dtype))
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
    A table of transitions.

    :param length: number of rows, all zero
    :param row: of :func:`row_type`
    :param place: device that holds them
    """

    def __init__(self, length: int, row: np.dtype[Any], place: th.device) -> None:
        self.row = row
        self.place = place
        shape = (length, row.itemsize)
        # On the host memory is taken when it is first written to, by NumPy alone.
        self.bytes = (
            th.from_numpy(np.zeros(shape, np.uint8))
            if place == HOST
            else th.zeros(shape, dtype=th.uint8, device=place)
        )
        self.fields = {name: self._field(name) for name in row.names or ()}

    def _field(self, name: str) -> th.Tensor:
        assert self.row.fields is not None
        field, offset = self.row.fields[name][:2]
        kind = th.from_numpy(np.empty(0, field.base)).dtype
        return self.bytes[:, offset : offset + field.itemsize].view(kind)

    def write(self, start: int, rows: np.ndarray) -> None:
        """
        :param start: index of the first row
        :param rows: of the type ``row``, shape ``(k,)``
        """
        flat = rows.view(np.uint8).reshape(len(rows), -1)
        self.bytes[start : start + len(rows)].copy_(upload(flat, self.place), non_blocking=True)

    def gather(self, name: str, index: th.Tensor, pinned: bool) -> th.Tensor:
        """
        :param name: of a field
        :param index: of rows, int64, shape ``(k,)``, where the rows are
        :param pinned: whether the result goes on to a GPU
        :return: a copy, shape ``(k, width of the field)``
        """
        field = self.fields[name]
        shape = (len(index), field.shape[1])
        found = th.empty(shape, dtype=field.dtype, device=self.place, pin_memory=pinned)
        return th.index_select(field, 0, index, out=found)

    def to_numpy(self, name: str) -> np.ndarray:
        """
        :param name: of a field
        :return: all rows, ``(length, width of the field)``: the memory itself where it is on the
            host, else a copy that cannot be written to
        """
        array: np.ndarray = self.fields[name].cpu().numpy()
        if self.place != HOST:
            array.flags.writeable = False
        return array
