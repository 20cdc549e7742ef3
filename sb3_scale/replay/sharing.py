"""Whether neighbouring observations share frames, as stacks of them do."""

import numpy as np

from sb3_scale.errors import Sb3ScaleError

WATCHED = 100
"""Transitions of each stream that are looked at."""


class Sharing:
    """
    Looks at the first transitions of each stream.

    Cut into too many or too few pieces, stacks share none: each piece would be stored, and the
    buffer would take a multiple of what was announced. A few may share by chance, as an episode
    begins with one frame repeated.

    :param n_envs: number of streams
    :param frame_stack: frames in an observation, as the user has it
    :param channels: of an observation
    """

    def __init__(self, n_envs: int, frame_stack: int, channels: int) -> None:
        self.frame_stack = frame_stack
        self.channels = channels
        self.seen = np.full(n_envs, 0 if frame_stack > 1 else WATCHED)
        self.alone = np.zeros(n_envs, np.int64)

    def see(self, stream: int, now: list[bytes], after: list[bytes]) -> None:
        """
        :param stream: of the transition
        :param now: frames of its observation
        :param after: frames of its next observation
        :raises Sb3ScaleError: if most of the stream's first transitions share no frame
        """
        if self.seen[stream] == WATCHED:
            return
        self.seen[stream] += 1
        self.alone[stream] += not any(frame in now for frame in after)
        if 2 * self.alone[stream] > WATCHED:
            raise Sb3ScaleError(
                f"replay_buffer_kwargs: frame_stack is {self.frame_stack}, and in "
                f"{self.alone[stream]} of the first {self.seen[stream]} transitions the next "
                f"observation has none of the {self.frame_stack} parts of the one before; allowed: "
                f"the number of frames in an observation, here probably {self._likely(now, after)}"
            )

    def _likely(self, now: list[bytes], after: list[bytes]) -> int:
        """The number of parts of which all but one come again, at one end or the other."""
        before, following = b"".join(now), b"".join(after)
        for number in range(2, self.channels + 1):
            width = len(before) // number
            newest_last = before[width:] == following[:-width]
            if self.channels % number == 0 and (
                newest_last or before[:-width] == following[width:]
            ):
                return number
        return 1

    def resume(self, written: np.ndarray) -> None:
        """
        :param written: transitions that each stream got before, ``(n_envs,)``
        """
        self.seen = np.maximum(self.seen, np.minimum(written, WATCHED))
