"""How fast a training takes decisions, once it runs."""

import time
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback


class Rate(BaseCallback):
    """
    Measures from the end of one rollout to that of another, and ends the training.

    :param after: decisions before that
    :param seconds: how long to measure
    """

    def __init__(self, after: int, seconds: float) -> None:
        super().__init__()
        self._after = after
        self._seconds = seconds
        self._begun: tuple[float, int] | None = None
        self._over = False
        self.rate = 0.0

    def _on_step(self) -> bool:
        return not self._over

    def _on_rollout_end(self) -> None:
        if self._begun is None:
            if self.num_timesteps >= self._after:
                self._begun = time.perf_counter(), self.num_timesteps
            return
        begun, decisions = self._begun
        passed = time.perf_counter() - begun
        self.rate = (self.num_timesteps - decisions) / passed
        self._over = passed > self._seconds


def decisions_per_second(model: Any, after: int, seconds: float) -> float:
    """
    :param model: an off-policy algorithm
    :param after: decisions that do not count
    :param seconds: how long to measure
    :return: of all environments together
    """
    rate = Rate(after, seconds)
    model.learn(10**9, rate)
    return rate.rate
