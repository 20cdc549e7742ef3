"""What a collector is asked for, and what it sends back."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Orders:
    """
    One call of a collector.

    :param sequence: number of the call, from 0 for each incarnation of a collector
    :param steps: decisions of each environment
    :param random_steps: how many of them, the first ones, are drawn from the action space
    :param version: of the weights, which grows
    :param updates: gradient steps that they had seen
    :param weights: where they are, in a list, so that they are fetched only if they are new
    """

    sequence: int
    steps: int
    random_steps: int
    version: int
    updates: int
    weights: list[Any]


@dataclass(frozen=True)
class Moments:
    """
    Of numbers that were seen, to be merged with those of others.

    :param count: how many
    :param mean: over them
    :param variance: over them, not corrected
    """

    count: int
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]

    @classmethod
    def of(cls, rows: NDArray[Any]) -> "Moments":
        """
        :param rows: ``(count, *shape)``
        :return: their moments
        """
        exact = rows.astype(np.float64, copy=False)
        return cls(len(rows), exact.mean(axis=0), exact.var(axis=0))


@dataclass(frozen=True)
class Fragment:
    """
    What ``E`` environments of one collector did in ``T`` decisions each.

    :param collector: its number
    :param incarnation: how often it was replaced before
    :param sequence: of the call
    :param version: of the weights that chose the actions
    :param updates: gradient steps that they had seen
    :param observations: before each decision and after the last, ``(T + 1, E, *shape)``; after the
        end of an episode the first one of the next
    :param ends: last observations of episodes, by decision and environment
    :param actions: in [-1, 1], ``(T, E, action_dim)``
    :param rewards: of the environments, ``(T, E)``
    :param dones: whether an episode ended, ``(T, E)``
    :param infos: of the environments, without last observations
    :param observed: moments of observations, where they are normalised
    :param returned: moments of discounted returns, where rewards are normalised
    :param priorities: how far the critic was from its targets, ``(T, E)``, where asked for
    :param seconds: that the collector took
    """

    collector: int
    incarnation: int
    sequence: int
    version: int
    updates: int
    observations: NDArray[Any]
    ends: dict[tuple[int, int], NDArray[Any]]
    actions: NDArray[np.float32]
    rewards: NDArray[Any]
    dones: NDArray[np.bool_]
    infos: list[list[dict[str, Any]]]
    observed: Moments | None
    returned: Moments | None
    priorities: NDArray[np.float64] | None
    seconds: float

    @property
    def identity(self) -> tuple[int, int, int]:
        """Collector, incarnation and number of the call."""
        return self.collector, self.incarnation, self.sequence

    @property
    def steps(self) -> int:
        """Decisions of each environment."""
        return len(self.rewards)

    @property
    def envs(self) -> int:
        """Environments of the collector."""
        return int(self.rewards.shape[1])

    @cached_property
    def timeouts(self) -> NDArray[np.bool_]:
        """Whether a time limit cut the episode, ``(T, E)``."""
        return np.array(
            [[info.get("TimeLimit.truncated", False) for info in row] for row in self.infos], bool
        )

    def next_observations(self, start: int, stop: int) -> NDArray[Any]:
        """
        :param start: first decision
        :param stop: the one after the last
        :return: ``(stop - start, E, *shape)``, at the end of an episode its last observation
        """
        following = self.observations[start + 1 : stop + 1]
        inside = [place for place in self.ends if start <= place[0] < stop]
        if inside:
            following = following.copy()
            for step, env in inside:
                following[step - start, env] = self.ends[step, env]
        return following
