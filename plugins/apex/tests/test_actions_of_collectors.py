"""Actions of collectors that are no row of floats: a matrix, a number, whole numbers."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from small_models import make

from sb3_scale import SAC


class Acts(gymnasium.Env[np.ndarray, np.ndarray]):
    """Checks actions, and pays for large ones."""

    observation_space = spaces.Box(-1, 1, (3,), np.float32)

    def __init__(self, action_space: spaces.Box) -> None:
        self.action_space = action_space

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return self._observe(), {}

    def step(self, action: np.ndarray) -> Any:
        assert self.action_space.contains(np.asarray(action))
        self.steps += 1
        return self._observe(), float(np.sum(action)), False, self.steps == 9, {}

    def _observe(self) -> np.ndarray:
        return self.np_random.uniform(-1, 1, 3).astype(np.float32)


def trained(action_space: spaces.Box, decisions: int = 60, **collector: Any) -> Any:
    inline = {"name": "inline", "collectors": 1, "fragment_length": 5, **collector}
    settings: dict[str, Any] = {"replay_buffer_class": "prioritized", "gradient_steps": 0}
    return make(SAC, Acts(action_space), collector=inline, **settings).learn(decisions)


@pytest.mark.parametrize(
    "action_space",
    [
        spaces.Box(-2, 2, (2, 2), np.float64),
        spaces.Box(-1, 1, (), np.float32),
        spaces.Box(0, 3, (2, 2), np.int64),
        spaces.Box(-1, 1, (3,), np.float32),
    ],
    ids=str,
)
def test_first_priorities_are_there_whatever_the_shape_of_an_action(
    action_space: spaces.Box,
) -> None:
    model = trained(action_space, first_priorities="td-error", spread=[0.5, 2.0])
    priorities = model.replay_buffer.tree[np.arange(60)]
    assert len(np.unique(priorities)) == 60
    size = int(np.prod(action_space.shape))
    actions = model.replay_buffer.actions[:60].reshape(60, size)
    played = model.policy.unscale_action(actions.reshape(60, *action_space.shape))
    rewards = model.replay_buffer.rewards[:60].ravel()
    np.testing.assert_allclose(played.reshape(60, size).sum(1), rewards, rtol=1e-4, atol=1e-5)


def test_whole_actions_that_are_drawn_nearer_to_the_mode_are_rarely_at_a_bound() -> None:
    space = spaces.Box(0, 10, (1,), np.uint8)
    wide, narrow = (
        trained(space, 400, spread=spread).replay_buffer.actions[20:400].ravel()
        for spread in (None, [0.5, 0.5])
    )
    assert (np.abs(wide) == 1).mean() > 0.1
    assert (np.abs(narrow) == 1).mean() < 0.05
    assert abs(narrow.mean() - wide.mean()) < 0.1
