"""What of a prioritised replay buffer goes into a file."""

from collections.abc import Mapping

import numpy as np

from sb3_scale.replay.contents import Arrays, CompactContents, Described
from sb3_scale_densenet.sum_tree import FAN_OUT


class PrioritizedContents(CompactContents):
    """
    Of a ``PrioritizedReplayBuffer``.

    :param buffer: that buffer
    """

    def numbers(self) -> dict[str, float]:
        """
        :return: the largest priority so far, and what is left of the training
        """
        return {
            "largest": self._buffer.largest,
            "progress_remaining": self._buffer.progress_remaining,
        }

    def arrays(self) -> Arrays:
        """
        Errors that are on their way are settled first.

        :return: of the rows that were written
        """
        self._buffer.settle()
        found = super().arrays()
        return {**found, **self._own(len(found["rows"]))}

    def room(self, described: Described) -> dict[str, np.ndarray]:
        """
        :param described: type and shape of each array in the file
        :return: where their bytes go
        :raises ValueError: if they are not those of such a buffer
        """
        return {**super().room(described), **self._own(described["rows"][1][0])}

    def take(self, numbers: Mapping[str, float]) -> None:
        """
        :param numbers: of :meth:`numbers`
        :raises ValueError: if the arrays do not fit each other, or a priority is not finite
        """
        super().take(numbers)
        buffer = self._buffer
        leaves = buffer.tree.levels[0].reshape(-1)
        largest, progress = float(numbers["largest"]), float(numbers["progress_remaining"])
        if not (np.isfinite(leaves).all() and (leaves >= 0).all() and 0 <= largest < np.inf):
            raise ValueError("its priorities are negative or not finite")
        buffer.largest, buffer.progress_remaining = largest, progress
        # One of each group is enough to sum them all.
        firsts = np.arange(0, len(leaves), FAN_OUT)
        buffer.tree[firsts] = leaves[firsts]

    def _own(self, rows: int) -> dict[str, np.ndarray]:
        buffer = self._buffer
        return {
            "priorities": buffer.tree.levels[0].reshape(-1)[:rows],
            "generations": buffer.generations[:rows],
        }
