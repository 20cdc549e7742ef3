"""A small environment of pictures, and an algorithm that learns from it."""

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from sb3_scale import SAC

NETWORK = {"name": "mlp", "width": 8}
TRUNK = {"name": "trunk", "features": 5, "network": NETWORK}
ENCODER = {"name": "drq", "channels": 3, "features": 5}


class Pictures(gymnasium.Env[np.ndarray, np.ndarray]):
    """Random pictures; the reward is the first action."""

    action_space = spaces.Box(-1, 1, (2,), np.float32)

    def __init__(self, shape: tuple[int, ...] = (6, 20, 18), dtype: Any = np.uint8) -> None:
        self.observation_space = spaces.Box(0, 255, shape, dtype)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        if seed is not None:
            self.observation_space.seed(seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action: np.ndarray) -> Any:
        self.steps += 1
        done = self.steps % 7 == 0
        return self.observation_space.sample(), float(action[0]), done, False, {}


def make(algorithm: Any = SAC, env: Any = None, **changes: Any) -> Any:
    """An untrained algorithm with own trunks and two copies; changes of its parts by name."""
    settings = {"learning_starts": 20, "batch_size": 8, "buffer_size": 60, **changes}
    names = _PARTS.keys() | {"extractor_target", "normalize_images"}
    own = {name: settings.pop(name) for name in changes.keys() & names}
    extractor = own.get("extractor", _PARTS["extractor"])
    shared = not isinstance(extractor, dict) or extractor.get("trunk") != "own"
    kind = "squashed-gaussian" if algorithm is SAC else "deterministic"
    actor = {"name": kind, "network": NETWORK if shared else TRUNK}
    parts = {**_PARTS, "actor": actor, **own}
    env = env or Pictures()
    return algorithm("ScalePolicy", env, policy_kwargs=parts, seed=0, device="cpu", **settings)


_PARTS: dict[str, Any] = {
    "extractor": {**ENCODER, "trunk": "own"},
    "actor": None,
    "critic": {"name": "ensemble", "network": NETWORK},
    "transforms": [{"name": "random-shift", "copies": 2, "next_copies": 2}],
}
