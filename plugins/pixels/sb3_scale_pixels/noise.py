"""Noise of exploration that shrinks while a training goes on."""

from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise, NormalActionNoise, VectorizedActionNoise

from sb3_scale.actions import is_discrete
from sb3_scale.errors import Sb3ScaleError, check_at_least


class NoiseSchedule(BaseCallback):
    """
    Normal noise on the actions of the training, whose size follows a line.

    Actions are those between -1 and 1. A rollout has the size of its beginning. Random actions, up
    to ``learning_starts``, get none and stay uniform. Each environment has noise of its own.
    Source: Yarats et al., "Mastering Visual Continuous Control", 2022, equation 3; released code.

    :param start: standard deviation at the start
    :param end: standard deviation from ``decisions`` on
    :param decisions: length of the line, in environment steps (decisions)
    """

    model: Any

    def __init__(self, start: float = 1.0, end: float = 0.1, decisions: int = 100_000) -> None:
        super().__init__()
        check_at_least(0, start=start, end=end)
        check_at_least(1, decisions=decisions)
        self.start = start
        self.end = end
        self.decisions = decisions

    def sigma(self, decision: int) -> float:
        """
        :param decision: number of decisions so far
        :return: standard deviation
        """
        done = min(decision / self.decisions, 1.0)
        return self.start + (self.end - self.start) * done

    def _on_training_start(self) -> None:
        actions = self.model.action_space
        if is_discrete(actions):
            raise Sb3ScaleError(
                f"callback 'noise-schedule' adds noise to actions, and the action space is "
                f"{actions}; allowed: Box"
            )
        self.model.action_noise = self._noise()

    def _on_rollout_end(self) -> None:
        self.model.action_noise = self._noise()

    def _on_step(self) -> bool:
        return True

    def _noise(self) -> ActionNoise | None:
        if self.num_timesteps < self.model.learning_starts:
            return None
        size = self.model.action_space.shape
        sigma = np.full(size, self.sigma(self.num_timesteps))
        noise = NormalActionNoise(np.zeros(size), sigma)
        number = self.model.n_envs
        return VectorizedActionNoise(noise, number) if number > 1 else noise
