"""An algorithm with a ScalePolicy logs, predicts and calls back as Stable-Baselines3 does."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from small_models import make
from stable_baselines3.common.callbacks import (
    CheckpointCallback,
    EvalCallback,
    StopTrainingOnMaxEpisodes,
)
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import configure
from stable_baselines3.common.noise import NormalActionNoise

from sb3_scale import SAC, TD3, Sb3ScaleError, ScalePolicy

BOTH = pytest.mark.parametrize("algorithm", [SAC, TD3])


def weights(model: Any) -> torch.Tensor:
    return torch.nn.utils.parameters_to_vector(model.policy.parameters()).detach().clone()


@BOTH
def test_logger_keys(algorithm: Any) -> None:
    model = make(algorithm).learn(30)
    expected = {"train/learning_rate", "train/n_updates", "train/critic_loss", "train/actor_loss"}
    if algorithm is SAC:
        expected |= {"train/ent_coef", "train/ent_coef_loss"}
    logged = model.logger.name_to_value
    assert set(logged) == expected
    assert logged["train/n_updates"] == model._n_updates == 10
    assert all(type(logged[key]) in (float, int) for key in expected)
    assert model.logger.name_to_excluded["train/n_updates"] == ("tensorboard",)


def test_fixed_temperature_has_no_loss() -> None:
    logged = make(SAC, ent_coef=0.25).learn(30).logger.name_to_value
    assert "train/ent_coef_loss" not in logged
    assert logged["train/ent_coef"] == 0.25


@BOTH
def test_csv_log(algorithm: Any, tmp_path: Path) -> None:
    model = make(algorithm)
    model.set_logger(configure(str(tmp_path), ["csv"]))
    model.learn(210, log_interval=1)
    model.logger.close()
    header = (tmp_path / "progress.csv").read_text().splitlines()[0]
    assert {"train/critic_loss", "rollout/ep_rew_mean", "time/fps"} <= set(header.split(","))


@BOTH
def test_two_runs_with_one_seed_are_identical(algorithm: Any) -> None:
    noise = NormalActionNoise(np.zeros(1), 0.1 * np.ones(1))
    runs = [make(algorithm, action_noise=noise, seed=s).learn(60) for s in (7, 7, 8)]
    assert torch.equal(weights(runs[0]), weights(runs[1]))
    assert np.array_equal(runs[0].replay_buffer.rewards, runs[1].replay_buffer.rewards)
    assert not torch.equal(weights(runs[0]), weights(runs[2]))


@BOTH
def test_predictions(algorithm: Any) -> None:
    model = make(algorithm, make_vec_env("Pendulum-v1", 3, seed=0)).learn(30)
    single, several = np.ones(3, np.float32), np.ones((5, 3), np.float32)
    for deterministic in (True, False):
        assert model.predict(single, deterministic=deterministic)[0].shape == (1,)
        assert model.predict(several, deterministic=deterministic)[0].shape == (5, 1)
        assert model.predict(model.env.reset(), deterministic=deterministic)[0].shape == (3, 1)
    first = model.predict(several, deterministic=True)[0]
    assert np.array_equal(first, model.predict(several, deterministic=True)[0])
    np.testing.assert_allclose(first, np.tile(first[:1], (5, 1)), rtol=1e-5)
    sampled = model.predict(several)[0]
    assert (len(np.unique(sampled)) > 1) == (algorithm is SAC)
    # The mode of the squashed Gaussian is tanh of its mean, scaled to the bounds [-2, 2].
    features = torch.from_numpy(several)
    mean = model.policy.actor(features, deterministic=True).detach().numpy()
    np.testing.assert_allclose(first, 2 * mean, rtol=1e-5)
    with pytest.raises(ValueError, match="Unexpected observation shape"):
        model.predict(np.ones(4, np.float32))


@BOTH
def test_training_mode_is_an_argument_and_never_toggled(algorithm: Any) -> None:
    model = make(algorithm).learn(30)
    modes = {name: module.training for name, module in model.policy.named_modules() if name}
    model.policy.set_training_mode(True)
    assert model.policy.training
    model.policy.set_training_mode(False)
    assert not model.policy.training
    assert modes == {name: m.training for name, m in model.policy.named_modules() if name}


@BOTH
def test_targets_take_no_gradient(algorithm: Any) -> None:
    policy = make(algorithm).learn(30).policy
    targets = [policy.critic_target, *([policy.actor_target] if algorithm is TD3 else [])]
    for target in targets:
        assert not any(p.requires_grad for p in target.parameters())
    trained = {
        id(p)
        for part in (policy.actor, policy.critic)
        for group in part.optimizer.param_groups
        for p in group["params"]
    }
    assert trained == {id(p) for p in policy.parameters() if p.requires_grad}


@BOTH
def test_actor_step_computes_no_gradient_of_the_critic(algorithm: Any) -> None:
    model = make(algorithm, learning_starts=50).learn(30)
    model._n_updates = 1  # TD3 moves its actor at even updates
    np.random.seed(0)
    torch.manual_seed(0)
    model.train(1, 16)
    after_both = [p.grad.clone() for p in model.policy.critic.parameters()]
    other = make(algorithm, learning_starts=50, policy_delay=5).learn(30)
    np.random.seed(0)
    torch.manual_seed(0)
    other.train(1, 16)
    for both, critic in zip(after_both, other.policy.critic.parameters(), strict=True):
        assert torch.equal(both, critic.grad)


@BOTH
def test_deepcopy_of_the_policy_is_independent(algorithm: Any) -> None:
    model = make(algorithm).learn(40)
    twin = deepcopy(model.policy)
    before = weights(model)
    copied = torch.nn.utils.parameters_to_vector(twin.parameters())
    assert torch.equal(before, copied)
    owned = {id(p) for p in twin.parameters()}
    for part in (twin.actor, twin.critic):
        assert {id(p) for group in part.optimizer.param_groups for p in group["params"]} <= owned
    model.train(2, 16)
    assert torch.equal(before, torch.nn.utils.parameters_to_vector(twin.parameters()))
    assert not torch.equal(before, weights(model))


@BOTH
def test_policy_file(algorithm: Any, tmp_path: Path) -> None:
    model = make(algorithm).learn(40)
    model.policy.save(tmp_path / "policy.pth")
    state = torch.get_rng_state()
    loaded = ScalePolicy.load(tmp_path / "policy.pth", device="cpu")
    assert torch.equal(torch.get_rng_state(), state)
    observation = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
    expected = model.predict(observation, deterministic=True)[0]
    assert np.array_equal(loaded.predict(observation, deterministic=True)[0], expected)
    for name, value in model.policy.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


@pytest.mark.parametrize("damage", ["half", "empty", "a model", "a stock policy", "no weights"])
def test_a_policy_file_of_something_else_is_one_sentence(damage: str, tmp_path: Path) -> None:
    model, path = make(SAC), tmp_path / "policy.pth"
    model.policy.save(path)
    if damage in ("half", "empty"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2 if damage == "half" else 0])
    elif damage == "a model":
        model.save(path)
    elif damage == "a stock policy":
        SAC("MlpPolicy", "Pendulum-v1").policy.save(path)
    else:
        torch.save({**torch.load(path, weights_only=False), "state_dict": {}}, path)
    with pytest.raises(Sb3ScaleError, match=r"policy\.pth'\) cannot be loaded as a ScalePolicy: "):
        ScalePolicy.load(path)


@BOTH
def test_eval_callback(algorithm: Any, tmp_path: Path) -> None:
    callback = EvalCallback(
        gym.make("Pendulum-v1"),
        n_eval_episodes=1,
        eval_freq=30,
        log_path=str(tmp_path),
        best_model_save_path=str(tmp_path),
        verbose=0,
        warn=False,
    )
    model = make(algorithm).learn(60, callback=callback)
    found = np.load(tmp_path / "evaluations.npz")
    assert list(found["timesteps"]) == [30, 60]
    best = algorithm.load(tmp_path / "best_model.zip", device="cpu")
    index = int(found["results"].mean(1).argmax())
    assert callback.best_mean_reward == found["results"][index].mean()
    # The callback runs before the update of its step.
    assert (best.num_timesteps, best._n_updates) == [(30, 9), (60, 39)][index]
    assert model._n_updates == 40
    assert evaluate_policy(best, make_vec_env("Pendulum-v1", seed=0), 1)[0] < 0


@BOTH
def test_checkpoint_callback(algorithm: Any, tmp_path: Path) -> None:
    callback = CheckpointCallback(20, str(tmp_path), "m", save_replay_buffer=True)
    model = make(algorithm).learn(40, callback=callback)
    files = {path.name for path in tmp_path.iterdir()}
    buffers = {f"m_replay_buffer_{n}_steps.pkl" for n in (20, 40)}
    assert files == {"m_20_steps.zip", "m_40_steps.zip"} | buffers
    loaded = algorithm.load(tmp_path / "m_40_steps.zip", model.env, device="cpu")
    loaded.load_replay_buffer(tmp_path / "m_replay_buffer_40_steps.pkl")
    assert loaded.num_timesteps == 40
    assert loaded.replay_buffer.pos == 39  # the callback runs before the transition is stored
    assert loaded.learn(10, reset_num_timesteps=False).num_timesteps == 50


@BOTH
def test_stop_at_a_number_of_episodes(algorithm: Any) -> None:
    env = gym.wrappers.TimeLimit(gym.make("Pendulum-v1").unwrapped, 15)
    model = make(algorithm, env).learn(1000, callback=StopTrainingOnMaxEpisodes(3))
    assert model.num_timesteps == 45


@BOTH
@pytest.mark.parametrize("folder", [True, False])
def test_loss_that_is_not_a_number_stops_and_keeps_the_batch(
    algorithm: Any, folder: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    model = make(algorithm).learn(20)
    if folder:
        model.set_logger(configure(str(tmp_path / "logs"), ["csv"]))
    model.replay_buffer.rewards[:] = np.nan
    with pytest.raises(Sb3ScaleError) as caught:
        model.learn(1, reset_num_timesteps=False)
    model.logger.close()
    start, path = str(caught.value).split("; the batch is saved in ")
    assert start == "critic_loss is nan at gradient step 1"
    assert Path(path).name == "not_finite_1.pt"
    assert Path(path).is_relative_to(tmp_path / "logs" if folder else tmp_path)
    saved = torch.load(path, weights_only=True)
    assert np.isnan(saved["metrics"]["critic_loss"])
    assert saved["batch"]["observations"].shape == (16, 3)
    assert saved["batch"]["actions"].shape == (16, 1)
    poisoned = torch.isnan(saved["batch"]["rewards"]).sum()
    assert 10 < poisoned <= 16  # 20 of the 21 transitions
