"""What a loss that calibrates itself is told about finished episodes."""

from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_scale import SAC, TD3
from sb3_scale.nn.losses import MSELoss

LENGTH, GAMMA = 7, 0.9


class Walk(gymnasium.Env[Any, Any]):
    """Ends, or is cut, after seven steps."""

    observation_space = gymnasium.spaces.Box(-10, 10, (3,))
    action_space = gymnasium.spaces.Box(-1, 1, (2,))

    def __init__(self, terminates: bool) -> None:
        self.terminates = terminates

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return self._observe(), {}

    def _observe(self) -> Any:
        return self.np_random.normal(size=3).astype(np.float32)

    def step(self, action: Any) -> Any:
        self.steps += 1
        over = self.steps == LENGTH
        reward = float(self.steps + action.sum())
        ends = over and self.terminates
        return self._observe(), reward, ends, over and not self.terminates, {}


class Listening(MSELoss):
    """Keeps what it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[Any, Any]] = []

    def calibrate(self, values: Any, returns: Any) -> dict[str, Any]:
        self.heard.append((values.numpy().copy(), returns.numpy().copy()))
        return {"length": torch.tensor(len(values))}


def trained(algorithm: Any, terminates: bool, steps: int, normalize: bool = False) -> Any:
    env: Any = DummyVecEnv([lambda: Walk(terminates)])
    if normalize:
        env = VecNormalize(env, gamma=GAMMA)
    model = algorithm(
        "ScalePolicy",
        env,
        learning_starts=3,
        buffer_size=100,
        batch_size=8,
        gamma=GAMMA,
        # Nothing is learned, so that the critic is the one that calibrates.
        learning_rate=0.0,
        tau=0.0,
        seed=0,
        device="cpu",
    )
    model.policy.loss = Listening()
    return model.learn(steps)


def q_values(model: Any, observations: Any, actions: Any) -> Any:
    """The smaller of both critics."""
    policy = model.policy
    with torch.no_grad():
        features = torch.as_tensor(observations, dtype=torch.float32)
        outputs = policy.critic(features, torch.as_tensor(actions))
    return outputs.numpy()[..., 0].min(axis=0)


@pytest.mark.parametrize("terminates", [True, False])
def test_values_and_returns_of_the_latest_episode(terminates: bool) -> None:
    model = trained(TD3, terminates, 2 * LENGTH + 2)
    model.target_policy_noise = 0.0
    assert len(model.policy.loss.heard) == 2
    for number, (values, returns) in enumerate(model.policy.loss.heard):
        rows = slice(number * LENGTH, (number + 1) * LENGTH)
        buffer = model.replay_buffer
        observations, actions = buffer.observations[rows, 0], buffer.actions[rows, 0]
        np.testing.assert_allclose(values, q_values(model, observations, actions), rtol=1e-5)
        end = 0.0
        if not terminates:
            # Within the noise that smooths the target's last action.
            end = returns[-1] - buffer.rewards[rows, 0][-1]
            last = buffer.next_observations[rows, 0][-1:]
            action = model.policy.actor(torch.tensor(last)).detach().numpy()
            assert end / GAMMA == pytest.approx(q_values(model, last, action)[0], abs=0.3)
        expected = [
            sum(GAMMA**k * r for k, r in enumerate(buffer.rewards[rows, 0][step:]))
            + GAMMA ** (LENGTH - 1 - step) * end
            for step in range(LENGTH)
        ]
        np.testing.assert_allclose(returns, expected, rtol=1e-5)


def test_the_entropy_of_later_actions_counts() -> None:
    soft = trained(SAC, True, LENGTH + 1)
    buffer = soft.replay_buffer
    ((_, returns),) = soft.policy.loss.heard
    plain = [
        sum(GAMMA**k * r for k, r in enumerate(buffer.rewards[step:LENGTH, 0]))
        for step in range(LENGTH)
    ]
    # Nothing follows the last action; before it there is one bonus more at each step.
    bonuses = (returns - plain)[:-1] - GAMMA * (returns - plain)[1:]
    assert returns[-1] == pytest.approx(plain[-1], rel=1e-5)
    with torch.no_grad():
        features = torch.as_tensor(buffer.observations[1:LENGTH, 0])
        draws = [-soft.policy.actor.action_log_prob(features)[1] for _ in range(400)]
    entropies = torch.cat(draws, dim=1).numpy()
    assert np.all(np.abs(bonuses / GAMMA - entropies.mean(axis=1)) < 6 * entropies.std(axis=1))
    assert np.all(bonuses != 0)


def test_units_are_those_of_the_critic() -> None:
    model = trained(TD3, True, LENGTH, normalize=True)
    buffer, env = model.replay_buffer, model.get_vec_normalize_env()
    ((values, returns),) = model.policy.loss.heard
    observations = env.normalize_obs(buffer.observations[:LENGTH, 0])
    np.testing.assert_allclose(
        values, q_values(model, observations, buffer.actions[:LENGTH, 0]), rtol=1e-4
    )
    last = env.normalize_reward(buffer.rewards[LENGTH - 1 : LENGTH, 0])
    assert returns[-1] == pytest.approx(last[0], rel=1e-4)


def test_logged_and_left_out_of_checkpoints(tmp_path: Any) -> None:
    model = trained(TD3, True, LENGTH + 1)
    assert model.logger.name_to_value["calibration/length"] == LENGTH
    model.policy.loss = MSELoss()
    model.save(tmp_path / "model.zip")
    assert model._recorder is not None
    assert TD3.load(tmp_path / "model.zip")._recorder is None
