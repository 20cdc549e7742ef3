"""What a loss that calibrates itself is told about finished episodes."""

from collections.abc import Iterator
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_scale import SAC, TD3, Loss, hookimpl
from sb3_scale.collection import episodes
from sb3_scale.nn.losses import MSELoss
from sb3_scale.plugins import manager

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

    calibrated = True

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[Any, Any]] = []

    def calibrate(self, values: Any, returns: Any) -> dict[str, Any]:
        self.heard.append((values.numpy().copy(), returns.numpy().copy()))
        return {"length": torch.tensor(len(values))}


class Offer:
    """The loss above."""

    @hookimpl
    def sb3_scale_components(self) -> Any:
        yield Loss("listening", f"{__name__}:Listening")


@pytest.fixture(autouse=True)
def _listening() -> Iterator[None]:
    manager().register(Offer(), "test-calibration")
    yield
    manager().unregister("test-calibration")


def made(algorithm: Any, env: Any, learning_starts: int = 3, **settings: Any) -> Any:
    model = algorithm(
        "ScalePolicy",
        env,
        learning_starts=learning_starts,
        buffer_size=100,
        batch_size=8,
        gamma=GAMMA,
        # Nothing is learned, so that the critic is the one that calibrates.
        learning_rate=0.0,
        tau=1e-30,
        seed=0,
        device="cpu",
        policy_kwargs={"loss": "listening"},
        **({"target_policy_noise": 0.0} if algorithm is TD3 else {}),
        **settings,
    )
    # Far from the returns, so that each of its places shows.
    for critic in (model.policy.critic, model.policy.critic_target):
        critic.output.bias.data += 50
    return model


def trained(algorithm: Any, terminates: bool, steps: int, normalize: bool = False) -> Any:
    env: Any = DummyVecEnv([lambda: Walk(terminates)])
    return made(algorithm, VecNormalize(env, gamma=GAMMA) if normalize else env).learn(steps)


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
    assert len(model.policy.loss.heard) == 2
    for number, heard in enumerate(model.policy.loss.heard):
        check(model, heard, slice(number * LENGTH, (number + 1) * LENGTH), 0, terminates)


def check(model: Any, heard: Any, rows: slice, env: int, terminates: bool) -> None:
    """Compare with what the replay buffer has of one episode."""
    values, returns = heard
    buffer = model.replay_buffer
    observations, actions = buffer.observations[rows, env], buffer.actions[rows, env]
    np.testing.assert_allclose(values, q_values(model, observations, actions), rtol=1e-5)
    end = 0.0
    if not terminates:
        last = torch.tensor(buffer.next_observations[rows, env][-1:])
        action = model.policy.actor(last).detach().numpy()
        end = float(GAMMA * q_values(model, last, action)[0])
        assert end > 40
    length = len(observations)
    expected = [
        sum(GAMMA**k * r for k, r in enumerate(buffer.rewards[rows, env][step:]))
        + GAMMA ** (length - 1 - step) * end
        for step in range(length)
    ]
    np.testing.assert_allclose(returns, expected, rtol=1e-5)


def test_several_environments() -> None:
    """They end together; the last of them is heard."""
    model = made(TD3, DummyVecEnv([lambda: Walk(False)] * 3)).learn(3 * LENGTH + 3)
    (heard,) = model.policy.loss.heard
    check(model, heard, slice(0, LENGTH), 2, False)


@pytest.mark.parametrize("new_env", [False, True])
def test_an_interrupted_episode_is_not_joined_to_the_next(new_env: bool) -> None:
    model = made(TD3, DummyVecEnv([lambda: Walk(True)])).learn(5)
    if new_env:
        model.set_env(DummyVecEnv([lambda: Walk(True)]))
    model.learn(LENGTH + 1, reset_num_timesteps=not new_env)
    (heard,) = model.policy.loss.heard
    check(model, heard, slice(5, 5 + LENGTH), 0, True)


def test_an_episode_goes_on_where_learning_does() -> None:
    model = made(TD3, DummyVecEnv([lambda: Walk(True)])).learn(5)
    model.learn(LENGTH - 4, reset_num_timesteps=False)
    (heard,) = model.policy.loss.heard
    check(model, heard, slice(0, LENGTH), 0, True)


def test_time_limits_as_the_buffer_takes_them() -> None:
    keep = {"replay_buffer_kwargs": {"handle_timeout_termination": False}}
    model = made(TD3, DummyVecEnv([lambda: Walk(False)]), **keep).learn(LENGTH + 1)
    (heard,) = model.policy.loss.heard
    check(model, heard, slice(0, LENGTH), 0, True)


def test_long_episodes_count_with_their_last_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(episodes, "LONGEST", 4)
    model = trained(TD3, True, LENGTH + 1)
    (heard,) = model.policy.loss.heard
    assert len(heard[0]) == 4
    check(model, heard, slice(LENGTH - 4, LENGTH), 0, True)


class Pictures(Walk):
    """Dict observations, and actions of two dimensions."""

    observation_space = gymnasium.spaces.Dict(
        {"a": gymnasium.spaces.Box(-10, 10, (3,)), "b": gymnasium.spaces.Box(-10, 10, (2,))}
    )
    action_space = gymnasium.spaces.Box(-1, 1, (2, 3))

    def _observe(self) -> Any:
        return {key: np.full(size, self.steps, np.float32) for key, size in (("a", 3), ("b", 2))}


def test_dict_observations_and_actions_of_any_shape() -> None:
    model = made(SAC, DummyVecEnv([lambda: Pictures(True)])).learn(LENGTH + 1)
    ((values, returns),) = model.policy.loss.heard
    assert values.shape == returns.shape == (LENGTH,)


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


def test_nothing_is_told_before_the_first_gradient_step() -> None:
    model = made(TD3, DummyVecEnv([lambda: Walk(True)]), learning_starts=2 * LENGTH - 1)
    model.learn(3 * LENGTH + 1)
    assert len(model.policy.loss.heard) == 1


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
    model.save(tmp_path / "model.zip")
    assert model.training.experience.calibration._recorder is not None
    assert TD3.load(tmp_path / "model.zip").training.experience.calibration._recorder is None
