"""What of a replay buffer with hindsight goes into a file."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from sb3_scale.replay.contents import Arrays, CompactContents, Described
from sb3_scale.replay.table import check_range


class HindsightContents(CompactContents):
    """
    Of a ``HindsightReplayBuffer``.

    :param buffer: that buffer
    """

    def arguments(self) -> dict[str, Any]:
        """
        :return: of the constructor, beside those that the algorithm passes
        """
        name = self._buffer.goal_selection_strategy.name.lower()
        return {**super().arguments(), "goal_selection_strategy": name}

    def arrays(self) -> Arrays:
        """
        :return: the rows that were written, with their episodes
        """
        return {**super().arrays(), **self._episodes(self._buffer.streams.longest)}

    def room(self, described: Described) -> dict[str, np.ndarray]:
        """
        :param described: type and shape of each array in the file
        :return: where their bytes go
        """
        return {**super().room(described), **self._episodes(described["starts"][1][0])}

    def take(self, numbers: Mapping[str, float]) -> None:
        """
        :param numbers: of the other base
        :raises ValueError: if the arrays do not fit each other
        """
        episodes = self._buffer.episodes
        check_range("starts", episodes.starts, 0, episodes.length - 1)
        check_range("lengths", episodes.lengths, 0, episodes.length)
        check_range("begun", episodes.begun, 0, episodes.length - 1)
        super().take(numbers)

    def _episodes(self, longest: int) -> dict[str, np.ndarray]:
        episodes = self._buffer.episodes
        rows = {name: getattr(episodes, name)[:longest] for name in ("starts", "lengths")}
        return {**rows, "begun": episodes.begun}
