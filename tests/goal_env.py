"""A point that is to reach another one, small enough for a test."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec

PLACE = spaces.Box(-10, 10, (2,), np.float64)


class Reach(gym.Env[Any, Any]):
    """
    Moves by its action, for at most ``steps`` decisions, which it tells as a time limit would.

    :param steps: of an episode
    """

    observation_space: Any = spaces.Dict(
        {"observation": PLACE, "achieved_goal": PLACE, "desired_goal": PLACE}
    )
    action_space = spaces.Box(-1, 1, (2,))

    def __init__(self, steps: int = 6) -> None:
        self.steps = steps
        self.spec = EnvSpec("Reach", max_episode_steps=steps)
        self.infos: list[Any] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.step_count = 0
        self.place, self.goal = self.np_random.uniform(-1, 1, (2, 2))
        return self.observe(), {}

    def observe(self) -> Any:
        return {
            "observation": self.place * 2,
            "achieved_goal": self.place.copy(),
            "desired_goal": self.goal.copy(),
        }

    def step(self, action: Any) -> Any:
        self.place = self.place + np.asarray(action) / 4
        self.step_count += 1
        reward = float(self.compute_reward(self.place, self.goal, {}))
        info = {"step": self.step_count}
        return self.observe(), reward, reward == 0, self.step_count == self.steps, info

    def compute_reward(self, achieved: Any, desired: Any, infos: Any) -> Any:
        self.infos.append(infos)
        return -(np.linalg.norm(achieved - desired, axis=-1) > 0.3).astype(np.float32)
