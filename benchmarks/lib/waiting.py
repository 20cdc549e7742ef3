"""An environment that waits as a slow simulator does, for collectors to import."""

import time
from typing import Any

import numpy as np

from lib.measuring import Spaces

EPISODE = 500


class Waiting(Spaces):
    """
    Waits in each step.

    :param seconds: per step
    :param observations: numbers of an observation
    :param actions: numbers of an action
    """

    def __init__(self, seconds: float, observations: int, actions: int) -> None:
        super().__init__((observations,), actions)
        self._seconds = seconds
        self._pool = np.random.default_rng(0).standard_normal((EPISODE, observations), np.float32)
        self._steps = 0

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """
        :param action: without use
        :return: observation, reward, whether it ended, whether a time limit cut it, and nothing
        """
        time.sleep(self._seconds)
        self._steps += 1
        at = self._steps % EPISODE
        return self._pool[at], 1.0, False, at == 0, {}
