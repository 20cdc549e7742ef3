"""Bounds of actions that cannot be scaled are refused, and whole actions are stored as played."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env

from sb3_scale import SAC, TD3, Sb3ScaleError

NETWORK = {"name": "mlp", "width": 8}
F32, F64 = np.float32, np.float64


class Recorded(gym.Env):
    """Keeps the actions that it gets."""

    observation_space: spaces.Space = spaces.Box(-1, 1, (3,))

    def __init__(self, action_space: spaces.Box) -> None:
        self.action_space = action_space
        self.seen: list[np.ndarray] = []

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        return self.observation_space.sample(), {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict]:
        assert self.action_space.contains(action), action
        self.seen.append(action)
        return self.observation_space.sample(), 1.0, False, len(self.seen) % 7 == 0, {}


def make(algorithm: Any, env: Any, policy: str = "ScalePolicy", **settings: Any) -> Any:
    kind = "squashed-gaussian" if algorithm is SAC else "deterministic"
    parts = {
        "actor": {"name": kind, "network": NETWORK},
        "critic": {"name": "ensemble", "network": NETWORK},
    }
    given = {"policy_kwargs": parts} if policy == "ScalePolicy" else {}
    defaults = {"buffer_size": 100, "batch_size": 8, "learning_starts": 10, "device": "cpu"}
    return algorithm(policy, env, seed=0, **{**defaults, **given, **settings})


def box(low: Any, high: Any, dtype: Any) -> spaces.Box:
    return spaces.Box(np.array(low, dtype), np.array(high, dtype), dtype=dtype)


UNSCALED = {
    "equal": box([-1, 2], [1, 2], F32),
    "equal in whole numbers": box([0, 3], [5, 3], np.int64),
    "a range beyond float32": box([-3e38], [3e38], F32),
    "a range beyond float64": box([-1.5e308], [1.5e308], F64),
    "a range beyond float16": box([-60000], [60000], np.float16),
    "equal in a matrix": box([[0, 0], [0, 1]], [[1, 1], [1, 1]], F32),
}


@pytest.mark.parametrize("policy", ["ScalePolicy", "MlpPolicy"])
@pytest.mark.parametrize("name", UNSCALED)
def test_bounds_that_cannot_be_scaled(name: str, policy: str) -> None:
    env = Recorded(UNSCALED[name])
    with pytest.raises(Sb3ScaleError, match=r"^action [01, ]+ of the environment is from \S+ to "):
        make(SAC, env, policy)


@pytest.mark.parametrize(
    "space",
    [box([-1], [1e39], F64), box([0], [2**24 + 1], np.int64), box([-(2**40)], [0], np.int64)],
    ids=str,
)
def test_bounds_that_float32_does_not_hold(space: spaces.Box) -> None:
    with pytest.raises(Sb3ScaleError, match=r"^a bound of the actions is \S+; allowed with Scale"):
        make(SAC, Recorded(space))


@pytest.mark.parametrize(
    "space", [spaces.Box(-np.inf, 1, (1,)), spaces.Box(0, np.inf, (2,))], ids=str
)
def test_infinite_bounds(space: spaces.Box) -> None:
    with pytest.raises(Sb3ScaleError, match="allowed with ScalePolicy: Box with finite bounds"):
        make(SAC, Recorded(space))


WHOLE = {
    "int8": box([-128], [127], np.int8),
    "uint8": box([0, 1], [255, 3], np.uint8),
    "int64": box([[-3, 5]], [[4, 9]], np.int64),
}
BUFFERS: dict[str, dict[str, Any]] = {
    "compact": {},
    "n-steps": {"n_steps": 2},
    "plain": {
        "optimize_memory_usage": True,
        "replay_buffer_kwargs": {"handle_timeout_termination": False},
    },
}


@pytest.mark.parametrize("buffer", BUFFERS)
@pytest.mark.parametrize("algorithm", [SAC, TD3])
@pytest.mark.parametrize("name", WHOLE)
def test_whole_actions_are_stored_as_they_are_played(
    name: str, algorithm: Any, buffer: str
) -> None:
    space = WHOLE[name]
    env = Recorded(space)
    model = make(algorithm, env, **BUFFERS[buffer])
    model.learn(30)
    assert len(env.seen) == 30
    assert {each.dtype for each in env.seen} == {space.dtype}
    low, high = space.low.astype(F64), space.high.astype(F64)
    expected = np.array([2 * (each - low) / (high - low) - 1 for each in env.seen])
    stored = model.replay_buffer.actions[:30, 0].reshape(expected.shape)
    assert stored.dtype == F32
    np.testing.assert_allclose(stored, expected, atol=1e-6)
    assert model.replay_buffer.sample(8).actions.is_floating_point()
    action, _ = model.predict(np.ones(3, F32), deterministic=True)
    assert space.contains(action)


def test_whole_actions_of_several_environments() -> None:
    space = WHOLE["uint8"]
    model = make(SAC, make_vec_env(lambda: Recorded(space), 3))
    model.learn(60)
    stored = model.replay_buffer.actions[:20].reshape(60, 2)
    steps = (stored[:, 0].astype(F64) + 1) / 2 * 255
    np.testing.assert_allclose(steps, np.rint(steps), atol=1e-3)
    assert len(np.unique(stored[:, 0])) > 20


def test_every_whole_action_comes_back_from_its_scaled_value() -> None:
    space = WHOLE["int8"]
    model = make(SAC, Recorded(space))
    values = np.arange(-128, 128, dtype=np.int8)[:, None]
    again = model.policy.unscale_action(model.policy.scale_action(values))
    assert again.dtype == np.int8
    assert np.array_equal(again, values)


def test_the_unset_dict_buffer_has_room_for_fractions() -> None:
    env = Recorded(WHOLE["uint8"])
    env.observation_space = spaces.Dict({"x": spaces.Box(-1, 1, (2,))})
    model = make(SAC, env)
    model.learn(20)
    assert model.replay_buffer.actions.dtype == F32
    assert np.unique(np.abs(model.replay_buffer.actions[:20])).size > 5
