"""Environments whose steps have numbers, so that a step that is lost or comes twice is seen."""

import os
from typing import Any

import gymnasium


class Numbered(gymnasium.Wrapper[Any, Any, Any, Any]):
    """
    Tells in ``info["number"]`` which environment of which process it is, and which of its steps.

    :param env: the environment
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        super().__init__(env)
        # Drawn by the system: seeds of collectors that are replaced must not count.
        self._life = int.from_bytes(os.urandom(6), "big")
        self._count = 0

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """
        :param action: of the environment
        :return: what it answers
        """
        observation, reward, terminated, truncated, info = self.env.step(action)
        self._count += 1
        info["number"] = (self._life, self._count)
        return observation, reward, terminated, truncated, info
