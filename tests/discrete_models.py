"""Small algorithms over discrete actions."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from sb3_scale import SAC

NETWORK = {"name": "mlp", "width": 8, "depth": 1}
NORMED = {**NETWORK, "norm": "batch", "norm_placement": "post-activation", "norm_input": True}
ACTOR = {"name": "categorical", "network": NETWORK}
CRITIC = {"name": "discrete-ensemble", "network": NETWORK}
MULTI = spaces.MultiDiscrete([2, 3], start=[5, -1])


class Choices(gym.Env):
    """Random observations, and a reward for the first of the actions; episodes of ten steps."""

    observation_space = spaces.Box(-1, 1, (3,), np.float32)

    def __init__(self, actions: spaces.Space) -> None:
        self.action_space = actions
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict]:
        assert self.action_space.contains(action), action
        self.steps += 1
        reward = float(np.ravel(action)[0])
        return self.observation_space.sample(), reward, self.steps >= 10, False, {}


def make(
    actions: Any = 3,
    algorithm: Any = SAC,
    critic: dict[str, Any] | None = None,
    actor: dict[str, Any] | None = None,
    parts: dict[str, Any] | None = None,
    env: Any = None,
    **settings: Any,
) -> Any:
    """An untrained algorithm of small parts, on a space or a number of actions."""
    space = spaces.Discrete(actions) if isinstance(actions, int) else actions
    policy_kwargs = {
        "actor": {**ACTOR, **(actor or {})},
        "critic": {**CRITIC, **(critic or {})},
        **(parts or {}),
    }
    defaults = {
        "buffer_size": 200,
        "batch_size": 8,
        "learning_starts": 20,
        "seed": 0,
        "device": "cpu",
    }
    return algorithm(
        "ScalePolicy",
        Choices(space) if env is None else env,
        policy_kwargs=policy_kwargs,
        **{**defaults, **settings},
    )
