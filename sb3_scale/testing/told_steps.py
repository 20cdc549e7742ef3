"""An environment whose observations tell what was played."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

ACTIONS = 2
TERMINATED, TRUNCATED = 5, 7
"""Length of an episode that ends by itself, and of one that the time limit ends."""

GREATEST = 2.0
"""Of an action, so that it is another than the one that is stored."""


class ToldSteps(gymnasium.Env[np.ndarray, np.ndarray]):
    """An observation is a number of the episode, that of the step, and the last action."""

    observation_space = spaces.Box(-np.inf, np.inf, (2 + ACTIONS,))
    action_space = spaces.Box(-GREATEST, GREATEST, (ACTIONS,))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """
        :param seed: of the numbers of episodes
        :param options: without effect
        :return: the first observation, and nothing beside it
        """
        super().reset(seed=seed)
        self._told = np.zeros(2 + ACTIONS, np.float32)
        self._told[0] = self.np_random.uniform(-1, 1)
        return self._told.copy(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """
        :param action: what the next observation tells
        :return: what belongs to it
        """
        self._told[1] += 1
        self._told[2:] = action
        told = self._told.copy()
        # Not by Gymnasium's TimeLimit: where RL-Zoo replaces it, the former one cannot be pickled.
        truncated = bool(told[1] == TRUNCATED)
        return told, float(reward_of(told)), bool(terminates(told)), truncated, {}


def reward_of(following: np.ndarray) -> Any:
    """
    :param following: next observations
    :return: the rewards that belong to them
    """
    return following.sum(axis=-1)


def terminates(following: np.ndarray) -> Any:
    """
    :param following: next observations
    :return: whether their episode ends by itself, as every other one does by its number
    """
    return (following[..., 1] == TERMINATED) & (following[..., 0] > 0)
