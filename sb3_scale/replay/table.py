"""Transitions in memory: rows of bytes in one tensor, on the host or on a GPU."""

from typing import Any

import numpy as np
import torch as th

HOST = th.device("cpu")

_SIGNED = {
    th.uint16: (th.int16, np.int16),
    th.uint32: (th.int32, np.int32),
    th.uint64: (th.int64, np.int64),
}
"""What PyTorch gathers and copies in place of types that it only holds: the same bits."""


def upload(array: np.ndarray, device: th.device) -> th.Tensor:
    """
    :param array: on the host, not changed before the copy is done where the device is the host
    :param device: where it is wanted
    :return: the same there, without waiting for the device
    """
    tensor = th.from_numpy(array)
    # PyTorch keeps pinned memory until the copy out of it is done.
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


class Table:
    """
    Rows of several fields; ``row = position * n_envs + stream``, and each stream is a ring.

    :param length: rows per stream, all zero
    :param n_envs: number of streams
    :param row: a structured type with flat fields
    :param place: device that holds them
    """

    def __init__(self, length: int, n_envs: int, row: np.dtype[Any], place: th.device) -> None:
        self.length, self.n_envs, self.row = length, n_envs, row
        self._allocate(place)

    def _allocate(self, place: th.device) -> None:
        self.place = place
        self.bytes = zeros((self.length * self.n_envs, self.row.itemsize), place)
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

    def write_rows(self, position: int, streams: slice, rows: np.ndarray) -> None:
        """
        Write ``k`` rows of each of ``m`` streams that are next to each other.

        :param position: of the first one, at most ``length - k``
        :param streams: the ``m`` streams
        :param rows: of the type ``row``, ``(k, m)``
        """
        flat = rows.view(np.uint8).reshape(*rows.shape, -1)
        where = slice(position, position + len(rows)), streams
        if self.host is not None:
            self.host[where] = flat
        else:
            self.by_stream[where].copy_(upload(flat, self.place), non_blocking=True)

    def gather(self, name: str, index: th.Tensor, pinned: bool) -> th.Tensor:
        """
        :param name: of a field
        :param index: of rows, int64, shape ``(k,)``, where the rows are
        :param pinned: whether the result goes on to a GPU
        :return: a copy, shape ``(k, width of the field)``
        """
        found, kind = self.gather_bits(name, index, pinned), self.kinds[name]
        return found.view(kind) if kind in _SIGNED else found

    def gather_bits(self, name: str, index: th.Tensor, pinned: bool) -> th.Tensor:
        """
        :param name: of a field
        :param index: of rows, as of :meth:`gather`
        :param pinned: whether the result goes on to a GPU
        :return: a copy, in a type that PyTorch can copy into
        """
        return select(self.fields[name], index, pinned)

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


def zeros(shape: tuple[int, int], place: th.device) -> th.Tensor:
    """
    :param shape: of bytes
    :param place: device that holds them
    :return: memory that the host takes when it is first written to
    """
    if place == HOST:
        return th.from_numpy(np.zeros(shape, np.uint8))
    return th.zeros(shape, dtype=th.uint8, device=place)


def select(source: th.Tensor, index: th.Tensor, pinned: bool) -> th.Tensor:
    """
    :param source: ``(n, width)``
    :param index: of its rows, whole numbers, shape ``(k,)``, where it is
    :param pinned: whether the result goes on to a GPU
    :return: a copy, shape ``(k, width)``
    """
    shape = (len(index), source.shape[1])
    found = th.empty(shape, dtype=source.dtype, device=source.device, pin_memory=pinned)
    return th.index_select(source, 0, index, out=found)


def signed(array: np.ndarray, kind: th.dtype) -> np.ndarray:
    """
    :param array: of numbers
    :param kind: their type
    :return: the same bits, in a type that PyTorch can copy
    """
    return array.view(_SIGNED[kind][1]) if kind in _SIGNED else array


def check_range(name: str, array: np.ndarray, least: int, most: int) -> None:
    """
    :param name: of the array in a file
    :param array: of whole numbers
    :param least: allowed
    :param most: allowed
    :raises ValueError: if a number is out of this range
    """
    if array.size and not least <= array.min() <= array.max() <= most:
        raise ValueError(f"its array '{name}' has numbers outside {least} to {most}")
