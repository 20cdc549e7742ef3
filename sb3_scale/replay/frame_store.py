"""Frames in memory, each once, for as long as a transition needs it."""

import numpy as np
import torch as th

from sb3_scale.replay.memory import check_growth
from sb3_scale.replay.table import HOST, select, upload, zeros

SPARE = 64
"""One frame more for each so many transitions: an episode needs more frames than transitions."""

GROWTH = 16
"""The share that the store grows by where episodes are shorter than that."""


class FrameStore:
    """
    Frames by their number. Frame 0 is black, and those that nobody holds are used anew.

    :param count: how many frames there is room for
    :param width: bytes of a frame
    :param place: device that holds them
    """

    def __init__(self, count: int, width: int, place: th.device) -> None:
        self.width = width
        self.holders = np.zeros(count, np.int32)
        self.used = 1
        self.free: list[int] = []
        self._allocate(count, place)

    def _allocate(self, count: int, place: th.device) -> None:
        self.place = place
        self.host = np.zeros((count, self.width), np.uint8) if place == HOST else None
        self.frames = (
            zeros((count, self.width), place) if self.host is None else th.from_numpy(self.host)
        )

    def move(self, place: th.device) -> None:
        """
        :param place: device that holds the frames from now on
        """
        before = self.frames
        self._allocate(len(before), place)
        self.frames[: self.used].copy_(before[: self.used])

    def store(self, frame: bytes) -> int:
        """
        :param frame: that the store does not hold
        :return: its number; it is lost if nobody holds it at the next :meth:`release`
        :raises Sb3ScaleError: if the store is full and there is no memory for more
        """
        if self.free:
            number = self.free.pop()
        else:
            if self.used == len(self.frames):
                self.reserve(self.used + self.used // GROWTH + 1)
            number = self.used
            self.used += 1
        pixels = np.frombuffer(frame, np.uint8)
        if self.host is not None:
            self.host[number] = pixels
        else:
            self.frames[number].copy_(upload(pixels.copy(), self.place), non_blocking=True)
        return number

    def reserve(self, count: int) -> None:
        """
        Make the store larger if it is smaller.

        :param count: how many frames there must be room for
        :raises Sb3ScaleError: if there is no memory for them
        """
        more = count - len(self.frames)
        if more <= 0:
            return
        if self.host is None:
            # The old ones stay until they are copied.
            check_growth(self.place, count * self.width)
            self.frames = th.cat((self.frames, zeros((more, self.width), self.place)))
        else:
            check_growth(self.place, more * self.width)
            del self.frames
            # In place: a copy would need the memory twice.
            self.host.resize((count, self.width), refcheck=False)
            self.frames = th.from_numpy(self.host)
        self.holders = np.concatenate((self.holders, np.zeros(more, np.int32)))

    def hold(self, numbers: np.ndarray) -> None:
        """
        :param numbers: of frames that a transition needs, each as often as it does
        """
        np.add.at(self.holders, numbers, 1)

    def release(self, numbers: np.ndarray) -> None:
        """
        :param numbers: of frames that a transition held
        """
        np.subtract.at(self.holders, numbers, 1)
        self.free.extend({number for number in numbers.tolist() if not self.holders[number]})

    def read(self, numbers: np.ndarray, pinned: bool) -> th.Tensor:
        """
        :param numbers: of frames, ``(n,)``
        :param pinned: whether the result goes on to a GPU
        :return: a copy of them, ``(n, width)``
        """
        return select(self.frames, upload(numbers, self.place), pinned)

    def take(self, used: int, held: np.ndarray) -> None:
        """
        Called when the frames are filled from a file.

        :param used: how many they are
        :param held: numbers of all that transitions hold
        """
        self.used = max(used, 1)
        self.holders = np.bincount(held, minlength=len(self.frames)).astype(np.int32)
        self.free = np.flatnonzero(self.holders[: self.used] == 0).tolist()


def frames_for(transitions: int, n_envs: int, frame_stack: int) -> int:
    """
    :param transitions: capacity
    :param n_envs: number of streams
    :param frame_stack: frames in an observation
    :return: how many frames to make room for at first
    """
    return 1 + transitions + transitions // SPARE + n_envs * (frame_stack + 1)
