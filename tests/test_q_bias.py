"""The bias of Q against returns that are known, and environments that are made again."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from diagnosed_models import figures, started
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from gymnasium.wrappers import NormalizeObservation, NormalizeReward, TimeLimit, TransformReward
from small_models import SMALL, make
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    SubprocVecEnv,
    VecCheckNan,
    VecFrameStack,
    VecNormalize,
    VecVideoRecorder,
)

from sb3_scale import SAC, TD3, Sb3ScaleError, register_envs
from sb3_scale.collection.episodes import discounted_returns
from sb3_scale.diagnostics.evaluation_env import evaluation_env
from sb3_scale.diagnostics.randomness import own_random_numbers
from sb3_scale.diagnostics.rollouts import episode
from sb3_scale_envs.hidden_columns import HiddenColumns
from sb3_scale_envs.pixels import PixelObservation


class Counter(gymnasium.Env[np.ndarray, np.ndarray]):
    """Gives the number of the step as reward and ends after ``length`` steps."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Box(-3, 5, (2, 1), np.float32)

    def __init__(self, length: int, terminates: bool) -> None:
        self.length = length
        self.terminates = terminates

    def _observe(self) -> np.ndarray:
        return np.array([np.sin(self.step_number), np.cos(self.step_number)], np.float32)

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.step_number = 0
        return self._observe(), {}

    def step(self, action: np.ndarray) -> Any:
        assert self.action_space.contains(action)
        self.step_number += 1
        over = self.step_number == self.length
        ends = over and self.terminates
        return self._observe(), float(self.step_number), ends, over and not ends, {}


def counter(length: int = 30, terminates: bool = True, wrapper: Any = None) -> gymnasium.Env:
    spec = EnvSpec(
        "Counter-v0", entry_point=Counter, kwargs={"length": length, "terminates": terminates}
    )
    env = gymnasium.make(spec)
    return env if wrapper is None else wrapper(env)


def returns_of(rewards: list[float], gamma: float) -> np.ndarray:
    powers = gamma ** np.arange(len(rewards))
    return np.array([np.dot(rewards[t:], powers[: len(rewards) - t]) for t in range(len(rewards))])


def by_hand(model: Any, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Observations of the counter and the values of TD3's actions there."""
    steps = np.arange(n)
    x = torch.tensor(np.stack([np.sin(steps), np.cos(steps)], 1), dtype=torch.float32)
    with torch.no_grad():
        values = model.policy.critic(x, model.policy.actor(x))
    return x, values.mean(0).squeeze(1).double().numpy()


@pytest.mark.parametrize(
    ("terminates", "n_pairs", "horizon", "used"),
    [
        (True, 350, None, 30),
        (True, 7, None, 7),
        (False, 350, 21, 10),
        (False, 4, 21, 4),
        (False, 350, 500, 1),
    ],
)
@pytest.mark.parametrize("min_return", [1e-3, 1e4])
def test_bias(terminates: bool, n_pairs: int, horizon: Any, used: int, min_return: float) -> None:
    model = make(TD3, counter(terminates=terminates), gamma=0.9).learn(60)
    callback = started("q-bias", model, n_pairs=n_pairs, horizon=horizon, min_return=min_return)
    callback.measure()
    # Where an episode is cut after its last pair's horizon, the later rewards are not seen.
    length = 30 if terminates or n_pairs == 350 else n_pairs + horizon - 1
    returns = returns_of(list(range(1, length + 1)), 0.9)[:used]
    values = by_hand(model, used)[1]
    bias = values - returns
    by_mean = bias / max(returns.mean(), min_return)
    by_pair = bias / np.maximum(returns, min_return)
    found = figures(model, "q-bias")
    expected = {
        "mean": by_mean.mean(),
        "std": by_mean.std(),
        "pair_mean": by_pair.mean(),
        "pair_std": by_pair.std(),
        "return": returns.mean(),
    }
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_the_return_of_sac_has_the_entropy_of_later_actions() -> None:
    model = make(SAC, counter(), gamma=0.9, ent_coef=0.5).learn(60)
    started("q-bias", model, n_episodes=1, min_return=1e-3).measure()
    found = figures(model, "q-bias")
    x, _ = by_hand(model, 30)
    torch.manual_seed(model.num_timesteps)
    with torch.no_grad():
        played = [model.policy.actor.action_log_prob(row[None]) for row in x]
        values = model.policy.critic(x, torch.cat([action for action, _ in played])).mean(0)
    bonus = [-0.5 * float(log_prob) for _, log_prob in played]
    rewards = [t + 1 + 0.9 * (bonus[t + 1] if t < 29 else 0) for t in range(30)]
    returns = returns_of(rewards, 0.9)
    assert found["return"] == pytest.approx(returns.mean(), rel=1e-5)
    bias = values.squeeze(1).double().numpy() - returns
    assert found["mean"] == pytest.approx(bias.mean() / returns.mean(), rel=1e-4)
    assert found["std"] == pytest.approx(bias.std() / returns.mean(), rel=1e-4)

    model.training.objective.backup_entropy = False
    started("q-bias", model).measure()
    plain = returns_of(list(range(1, 31)), 0.9).mean()
    assert figures(model, "q-bias")["return"] == pytest.approx(plain)


def test_discounted_returns() -> None:
    rewards, bonuses = np.array([1.0, 2.0, 4.0]), np.array([100.0, 10.0, 20.0])
    found = discounted_returns(rewards, bonuses, 0.5)
    assert found.tolist() == [1 + 0.5 * (10 + 2 + 0.5 * (20 + 4)), 2 + 0.5 * (20 + 4), 4]


def test_returns_are_in_the_units_that_the_critic_learns() -> None:
    env = VecNormalize(DummyVecEnv([counter]), gamma=0.9)
    model = make(TD3, env, gamma=0.9).learn(100)
    before = env.ret_rms.count, env.obs_rms.count
    started("q-bias", model).measure()
    assert (env.ret_rms.count, env.obs_rms.count) == before
    rewards = np.clip(np.arange(1, 31) / np.sqrt(env.ret_rms.var + env.epsilon), -10, 10)
    expected = returns_of(list(rewards), 0.9).mean()
    assert figures(model, "q-bias")["return"] == pytest.approx(expected)


def test_default_horizon() -> None:
    model = make(TD3, counter(), gamma=0.99).learn(30)
    horizon = started("q-bias", model)._horizon
    assert 0.99**horizon <= 0.05 < 0.99 ** (horizon - 1)
    model.gamma = 1.0
    with pytest.raises(Sb3ScaleError, match="needs the parameter 'horizon' where gamma is 1"):
        started("q-bias", model)
    assert started("q-bias", model, horizon=9)._horizon == 9


def test_arguments_and_wrappers_are_made_again(tmp_path: Path) -> None:
    register_envs()
    env = make_vec_env(
        "cartpole-swingup",
        env_kwargs={"action_repeat": 4},
        wrapper_class=lambda env: TimeLimit(TransformReward(env, lambda reward: 2 * reward), 7),
    )
    again = evaluation_env(
        VecVideoRecorder(VecFrameStack(VecNormalize(env), 3), str(tmp_path), bool)
    )
    assert isinstance(again, VecFrameStack)
    assert isinstance(again.venv, VecNormalize)
    (inner,) = again.unwrapped.envs
    assert inner.unwrapped is not env.envs[0].unwrapped
    assert inner.unwrapped.action_repeat == 4
    again.reset()
    for step in range(7):
        done = again.step(np.zeros((1, 1)))[2]
        assert done[0] == (step == 6)
    again.close()


def test_no_window_is_opened_again() -> None:
    shown = DummyVecEnv([lambda: gymnasium.make("Pendulum-v1", render_mode="human")])
    assert evaluation_env(shown).get_attr("render_mode") == [None]


def test_an_environment_of_pictures_draws_them_again() -> None:
    env = gymnasium.make("Pendulum-v1", render_mode="rgb_array")
    again = evaluation_env(DummyVecEnv([lambda: PixelObservation(env, size=12)]))
    assert again.reset().std() > 0
    again.close()


def test_an_environment_that_hides_columns_hides_them_again() -> None:
    env = gymnasium.make("Pendulum-v1")
    again = evaluation_env(DummyVecEnv([lambda: HiddenColumns(env, columns=[2])]))
    assert again.reset()["hidden"].shape == (1, 1)


def test_an_environment_in_another_process_is_made_again() -> None:
    env = make_vec_env("Pendulum-v1", vec_env_cls=SubprocVecEnv, env_kwargs={"g": 5.0})
    again = evaluation_env(env)
    env.close()
    assert again.get_attr("g") == [5.0]


class Nothing(gymnasium.Wrapper):
    """Keeps no record of its arguments."""


@pytest.mark.parametrize(
    ("env", "text"),
    [
        (lambda: DummyVecEnv([lambda: Counter(3, True)]), "has no Gymnasium spec"),
        (lambda: DummyVecEnv([lambda: counter(wrapper=Nothing)]), "its wrapper Nothing keeps no"),
        (lambda: VecCheckNan(DummyVecEnv([counter])), "the wrapper VecCheckNan cannot be made"),
    ],
)
def test_what_cannot_be_made_again_is_refused_before_training(env: Any, text: str) -> None:
    model = make(TD3, env())
    with pytest.raises(Sb3ScaleError, match=text) as error:
        started("q-bias", model)
    assert "; allowed: " in str(error.value)
    assert model.num_timesteps == 0


@pytest.mark.parametrize("backup_entropy", [True, False])
def test_no_policy_for_exploration_acts(backup_entropy: bool) -> None:
    parts = {"actor": {"name": "optimistic", "network": SMALL}, "critic": "ensemble"}
    model = SAC("ScalePolicy", counter(), policy_kwargs=parts, backup_entropy=backup_entropy)
    model.policy.actor.shift.output.bias.data[:] = 1e6
    model.set_logger(configure(None, []))
    callback = started("q-bias", model)
    with own_random_numbers(0, model.device):
        played = episode(model, callback.env, 30)
    # The shift would press all actions against the bound.
    assert played.actions.abs().mean() < 0.9


class WholeCounter(Counter):
    """The counter with actions of whole numbers, which it keeps."""

    action_space = spaces.Box(-1, 4, (2, 1), np.int64)

    def __init__(self) -> None:
        super().__init__(10, True)
        self.played: list[np.ndarray] = []

    def step(self, action: np.ndarray) -> Any:
        self.played.append(np.array(action))
        return super().step(action)


@pytest.mark.parametrize("algorithm", [SAC, TD3])
def test_whole_actions_are_judged_as_they_were_played(algorithm: Any) -> None:
    model = make(algorithm, WholeCounter()).learn(30)
    env = WholeCounter()
    found = episode(model, DummyVecEnv([lambda: env]), 50)
    played = np.array(env.played)
    assert played.dtype == np.int64
    wanted = 2 * (played.reshape(10, 2) + 1) / 5 - 1
    np.testing.assert_allclose(found.actions.numpy(), wanted, atol=1e-6)
    stored = np.unique(model.replay_buffer.actions[:30].round(5))
    assert set(np.unique(found.actions.numpy().round(5))) <= set(stored)


@pytest.mark.parametrize("wrapper", [NormalizeObservation, NormalizeReward])
def test_wrappers_with_statistics_of_their_own_are_not_repeated(wrapper: Any) -> None:
    env = DummyVecEnv([lambda: wrapper(gymnasium.make("Pendulum-v1"))])
    with pytest.raises(Sb3ScaleError, match="would begin with statistics of its own; allowed: Vec"):
        evaluation_env(env)
