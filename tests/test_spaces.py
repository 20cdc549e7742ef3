"""Observations and actions of every space that Stable-Baselines3 knows reach the networks whole."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale import SAC, TD3
from sb3_scale.learning.batch import Step

SMALL = {"name": "mlp", "width": 16}
IMAGE = spaces.Box(0, 255, (3, 4, 6), np.uint8)

OBSERVATIONS = {
    "matrix": (spaces.Box(-1, 1, (2, 3)), 6),
    "discrete": (spaces.Discrete(5), 5),
    "multi-discrete": (spaces.MultiDiscrete([2, 3]), 5),
    "multi-binary": (spaces.MultiBinary(4), 4),
    "double": (spaces.Box(-1, 1, (3,), np.float64), 3),
    "dict": (
        spaces.Dict({"b": spaces.Box(-1, 1, (2, 2)), "a": spaces.Discrete(3), "c": IMAGE}),
        3 + 4 + 72,
    ),
}


class Sampled(gym.Env):
    """Random observations, and a reward for actions near the upper bound."""

    def __init__(self, observations: spaces.Space, actions: spaces.Box) -> None:
        self.observation_space = observations
        self.action_space = actions
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        super().reset(seed=seed)
        self.steps = 0
        return self.observation_space.sample(), {}

    def step(self, action: np.ndarray) -> tuple[Any, float, bool, bool, dict]:
        assert self.action_space.contains(action), action
        self.steps += 1
        return self.observation_space.sample(), float(action.sum()), False, self.steps >= 10, {}


def make(algorithm: Any, env: Any) -> Any:
    kind = "squashed-gaussian" if algorithm is SAC else "deterministic"
    parts = {
        "actor": {"name": kind, "network": SMALL},
        "critic": {"name": "ensemble", "network": SMALL},
    }
    return algorithm(
        "ScalePolicy",
        env,
        seed=0,
        device="cpu",
        buffer_size=200,
        batch_size=16,
        learning_starts=20,
        policy_kwargs=parts,
    )


@pytest.mark.parametrize("algorithm", [SAC, TD3])
@pytest.mark.parametrize("n_envs", [1, 4])
@pytest.mark.parametrize("kind", OBSERVATIONS)
def test_observation_spaces(kind: str, n_envs: int, algorithm: Any) -> None:
    space, width = OBSERVATIONS[kind]
    actions = spaces.Box(-1, 1, (2,))
    model = make(algorithm, make_vec_env(lambda: Sampled(space, actions), n_envs, seed=0))
    before = torch.nn.utils.parameters_to_vector(model.policy.critic.parameters()).clone()
    model.learn(40)
    after = torch.nn.utils.parameters_to_vector(model.policy.critic.parameters())
    assert model.policy.extractor.features_dim == width
    assert torch.isfinite(after).all()
    assert not torch.equal(before, after)
    many, _ = model.predict(model.env.reset(), deterministic=True)
    assert many.shape == (n_envs, 2)
    one, _ = model.predict(space.sample(), deterministic=True)
    assert one.shape == (2,)


def test_dict_observations_are_joined_in_the_order_of_their_keys() -> None:
    space, _ = OBSERVATIONS["dict"]
    model = make(SAC, Sampled(space, spaces.Box(-1, 1, (1,))))
    assert list(space.spaces) == ["a", "b", "c"]
    observation = {
        "c": np.full((3, 4, 6), 51, np.uint8),
        "a": np.array(2),
        "b": np.array([[1, 2], [3, 4]], np.float32),
    }
    tensors, _ = model.policy.obs_to_tensor(observation)
    features = model.policy.features(tensors)[0].numpy()
    # One-hot discrete values, images divided by 255: the preprocessing of Stable-Baselines3.
    np.testing.assert_allclose(features, [0, 0, 1, 1, 2, 3, 4] + [0.2] * 72, rtol=1e-6)


@pytest.mark.parametrize("algorithm", [SAC, TD3])
def test_action_spaces(algorithm: Any) -> None:
    low, high = np.array([[-3, 0], [1, -9]]), np.array([[-1, 5], [2, 9]])
    actions = spaces.Box(low.astype(np.float32), high.astype(np.float32))
    model = make(algorithm, Sampled(spaces.Box(-1, 1, (3,)), actions))
    model.learn(40)
    # The replay buffer keeps what the networks see: all actions scaled to [-1, 1].
    stored = model.replay_buffer.actions[: model.replay_buffer.pos]
    assert stored.shape[1:] == (1, 4)
    assert np.abs(stored).max() <= 1
    assert np.abs(stored).max() > 0.9
    # Far outside the data tanh saturates, so predictions reach the bounds and stay within.
    wide = 1e4 * np.random.default_rng(0).normal(size=(64, 3)).astype(np.float32)
    for deterministic in (True, False):
        predicted, _ = model.predict(wide, deterministic=deterministic)
        assert predicted.shape == (64, 2, 2)
        assert (predicted >= low - 1e-6).all()
        assert (predicted <= high + 1e-6).all()
        reached = np.isclose(predicted, low, atol=1e-3) | np.isclose(predicted, high, atol=1e-3)
        assert reached.mean() > 0.9


def test_normalized_observations_reach_the_update() -> None:
    env = VecNormalize(make_vec_env("Pendulum-v1", 2, seed=0))
    model = make(SAC, env)
    model.learn(100)
    np.random.seed(1)
    step = Step(model.sample(16))
    model.training.actor_critic.extract(step)
    np.random.seed(1)
    raw = model.replay_buffer.sample(16)
    for found, original in (
        (step.features, raw.observations),
        (step.next_features, raw.next_observations),
    ):
        statistics = env.obs_rms
        scaled = (original.numpy() - statistics.mean) / np.sqrt(statistics.var + env.epsilon)
        np.testing.assert_allclose(found.numpy(), np.clip(scaled, -10, 10), rtol=1e-4, atol=1e-5)
    reward = raw.rewards.numpy() / np.sqrt(env.ret_rms.var + env.epsilon)
    np.testing.assert_allclose(step.batch.rewards.numpy(), np.clip(reward, -10, 10), rtol=1e-4)
