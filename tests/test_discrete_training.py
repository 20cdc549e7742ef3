"""Whole trainings over discrete actions: whatever works with continuous ones works with these."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from discrete_models import CRITIC, MULTI, NETWORK, NORMED, Choices, make
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import FakeImageEnv
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import SubprocVecEnv, VecNormalize
from test_discrete import samples
from test_no_host_sync import READS, Recorder

from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.diagnostics.dormant_units import DormantUnits
from sb3_scale.diagnostics.q_bias import QBias
from sb3_scale.diagnostics.q_value import QValue
from sb3_scale.diagnostics.weight_norm import WeightNorm
from sb3_scale.learning.update import MetricsLog
from sb3_scale_asymmetric.td2 import DDPG, TD2
from sb3_scale_crossq.algorithm import CrossQ
from sb3_scale_pixels.noise import NoiseSchedule

OFFSET = spaces.Discrete(3, start=-5)
JOINT = {"network": NORMED, "joint_batch": True}


def weights(model: Any) -> torch.Tensor:
    return torch.nn.utils.parameters_to_vector(model.policy.parameters()).detach()


def envs(actions: spaces.Space, n_envs: int) -> Any:
    return make_vec_env(lambda: Choices(actions), n_envs, seed=0)


@pytest.mark.parametrize("algorithm", [SAC, CrossQ])
@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("space", [OFFSET, MULTI], ids=str)
def test_it_trains_and_predicts_what_the_environment_takes(
    space: Any, n_envs: int, algorithm: Any
) -> None:
    model = make(space, algorithm, env=envs(space, n_envs))
    before = weights(model).clone()
    model.learn(30)
    assert not torch.equal(weights(model), before)
    assert torch.isfinite(weights(model)).all()
    for deterministic in (True, False):
        many, _ = model.predict(model.env.reset(), deterministic=deterministic)
        assert many.shape == (n_envs, *space.shape)
        assert all(space.contains(each) for each in many)
        one, _ = model.predict(np.zeros(3, np.float32), deterministic=deterministic)
        assert space.contains(one)
    size = model.replay_buffer.size()
    stored = model.replay_buffer.actions[:size].reshape(size * n_envs, *space.shape)
    assert all(space.contains(each) for each in stored)


def test_the_mode_is_the_most_probable_action() -> None:
    model = make(OFFSET).learn(30)
    observations = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    log_probs = model.actor.log_probs(torch.from_numpy(observations))
    assert torch.allclose(log_probs.exp().sum(dim=1), torch.ones(20))
    chosen, _ = model.predict(observations, deterministic=True)
    assert np.array_equal(chosen, log_probs.argmax(dim=1).numpy() - 5)


def test_views_give_the_values_of_all_actions_and_of_one() -> None:
    model = make(MULTI)
    observations = torch.randn(4, 3)
    every = model.critic.action_values(observations)
    assert [each.shape for each in every] == [(4, 6)] * 2
    index = np.array([0, 3, 4, 5])
    actions = torch.from_numpy(np.stack(np.unravel_index(index, (2, 3)), -1) + MULTI.start)
    taken = model.critic(observations, actions)
    for all_of_one, of_taken in zip(every, taken, strict=True):
        torch.testing.assert_close(all_of_one[range(4), index], of_taken.squeeze(1))
    actions, log_prob = model.actor.action_log_prob(observations)
    index = model.policy.action_code.to_index(actions)
    expected = model.actor.log_probs(observations).take_along_dim(index, 1).squeeze(1)
    torch.testing.assert_close(log_prob, expected)
    assert all(MULTI.contains(each) for each in model.actor(observations).numpy())


VARIANTS: dict[str, dict[str, Any]] = {
    "joint batch": {"critic": JOINT, "actor": JOINT},
    "no target": {"critic": {**JOINT, "target": False}},
    "actor target": {"actor": {"target": True}, "policy_delay": 2},
    "n steps": {"n_steps": 3},
    "prioritized": {"replay_buffer_class": "prioritized"},
    "prioritized n steps": {"replay_buffer_class": "prioritized", "n_steps": 2},
    "stock buffer": {"replay_buffer_class": ReplayBuffer},
    "quantiles": {"critic": {"value": "quantiles", "reduction": "truncated"}},
    "own targets": {"critic": {"reduction": "none"}},
    "subset": {"critic": {"n_critics": 3, "reduction": "subset"}},
    "categorical": {"critic": {"value": "categorical"}, "parts": {"transforms": ["reward-scale"]}},
    "calibrated loss": {"parts": {"loss": "adaptive-asymmetric"}},
    "spectral": {
        "critic": {"constraint": {"name": "spectral", "which": "all"}},
        "actor": {"constraint": "unit-norm"},
    },
    "fixed temperature": {"ent_coef": 0.1, "backup_entropy": False},
    "autocast": {"autocast": True},
    "clipped": {"max_grad_norm": 1.0},
    "acting copy": {"collector": {"name": "local", "acting_device": "cpu"}},
    "inline collectors": {"collector": {"name": "inline", "collectors": 1}},
}


@pytest.mark.parametrize("name", VARIANTS)
def test_what_works_for_continuous_actions_works_here(name: str) -> None:
    model = make(MULTI, **VARIANTS[name])
    before = weights(model).clone()
    model.learn(45)
    after = weights(model)
    assert torch.isfinite(after).all()
    assert not torch.equal(after, before)


def test_collectors_with_priorities_store_what_was_played() -> None:
    collector = {"name": "inline", "collectors": 2, "first_priorities": "td-error"}
    for space in (OFFSET, MULTI):
        settings = {"replay_buffer_class": "prioritized", "collector": collector}
        model = make(space, env=envs(space, 2), **settings).learn(60)
        rows = model.replay_buffer.actions[: model.replay_buffer.size()].reshape(-1, *space.shape)
        assert all(space.contains(each) for each in rows)


def test_steps_overlap_with_environments_elsewhere() -> None:
    env = make_vec_env("CartPole-v1", 2, vec_env_cls=SubprocVecEnv, seed=0)
    try:
        model = make(env=env, collector="overlapped").learn(40)
    finally:
        env.close()
    assert model._n_updates > 0


@pytest.mark.slow
@pytest.mark.parametrize("value", ["scalar", "categorical"])
def test_compiled_gradients_are_the_eager_ones(value: str) -> None:
    found = []
    for on in (False, True):
        model = make(MULTI, critic={**JOINT, "value": value}, actor=JOINT, compile=on)
        MULTI.seed(0)
        step = samples(model)
        learners = (model.learners.critic, model.learners.actor, model.learners.ent_coef)
        found.append([each for learner in learners for each in learner.compute(step)[1]])
    torch.testing.assert_close(found[1], found[0], rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("space", [OFFSET, MULTI], ids=str)
def test_a_gradient_step_reads_nothing_on_the_host(space: Any) -> None:
    model = make(space, critic=JOINT, actor=JOINT).learn(25)
    with Recorder() as recorder:
        model.training.update.step(model.sample(8), 1, MetricsLog())
    assert len(recorder.names) > 50
    assert not READS & set(recorder.names)


@pytest.mark.parametrize("algorithm", [SAC, CrossQ])
def test_a_saved_training_goes_on(algorithm: Any, tmp_path: Path) -> None:
    model = make(MULTI, algorithm, learning_starts=5).learn(20)
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "buffer")
    loaded = algorithm.load(tmp_path / "model", env=Choices(MULTI), trust=False)
    loaded.load_replay_buffer(tmp_path / "buffer", trust=False)
    assert loaded.target_entropy == model.target_entropy
    assert torch.equal(weights(loaded), weights(model))
    observations = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    chosen, expected = (
        each.predict(observations, deterministic=True)[0] for each in (loaded, model)
    )
    assert np.array_equal(chosen, expected)
    loaded.learn(10, reset_num_timesteps=False)
    assert torch.isfinite(weights(loaded)).all()


def test_a_checkpoint_can_be_loaded_with_its_own_parts_named_again(tmp_path: Path) -> None:
    CrossQ("ScalePolicy", Choices(OFFSET), buffer_size=10, device="cpu").save(tmp_path / "model")
    assert CrossQ.load(tmp_path / "model", policy_kwargs={}, device="cpu").policy is not None
    with pytest.raises(Sb3ScaleError, match="critic is"):
        CrossQ.load(tmp_path / "model", policy_kwargs={"critic": CRITIC}, device="cpu")


def test_loaded_for_prediction_it_takes_an_environment_later(tmp_path: Path) -> None:
    make(OFFSET).learn(25).save(tmp_path / "model")
    loaded = SAC.load(tmp_path / "model", device="cpu")
    loaded.set_env(Choices(OFFSET))
    loaded.learn(10)
    with pytest.raises(ValueError, match="Action spaces do not match"):
        loaded.set_env(Choices(spaces.Discrete(4)))


def test_diagnostics_measure_discrete_policies() -> None:
    callbacks = [
        QValue(10, 8),
        DormantUnits(10),
        WeightNorm(10),
        QBias(20, n_episodes=1, horizon=2),
    ]
    make(env=VecNormalize(make_vec_env("CartPole-v1", 1, seed=0))).learn(40, callback=callbacks)


def sentence(algorithm: Any = SAC, env: Any = None, **settings: Any) -> str:
    with pytest.raises(Sb3ScaleError) as found:
        algorithm("ScalePolicy", env or "CartPole-v1", buffer_size=10, device="cpu", **settings)
    return str(found.value)


@pytest.mark.parametrize(
    ("kind", "given", "meant"),
    [
        ("actor", "squashed-gaussian", "categorical"),
        ("actor", "conditional-flow", "categorical"),
        ("critic", {"name": "ensemble", "network": NETWORK}, "discrete-ensemble"),
    ],
)
def test_parts_for_continuous_actions_are_refused(kind: str, given: Any, meant: str) -> None:
    told = sentence(policy_kwargs={kind: given})
    assert told == (
        f"{kind} {given!r} is for continuous actions, and the action space is Discrete(2); "
        f"allowed: {meant}; did you mean '{meant}'?"
    )


@pytest.mark.parametrize(
    ("kind", "given", "meant"),
    [
        ("actor", "categorical", "squashed-gaussian"),
        ("critic", "discrete-ensemble", "ensemble"),
    ],
)
def test_parts_for_discrete_actions_are_refused_on_a_box(kind: str, given: str, meant: str) -> None:
    told = sentence(env="Pendulum-v1", policy_kwargs={kind: given})
    assert told.startswith(f"{kind} '{given}' is for discrete actions, and the action space is Box")
    assert told.endswith(f"; did you mean '{meant}'?")


@pytest.mark.parametrize("algorithm", [TD3, TD2, DDPG])
def test_deterministic_algorithms_refuse_discrete_actions(algorithm: Any) -> None:
    assert sentence(algorithm) == (
        f"the action space is Discrete(2), and the actor of {algorithm.__name__} is deterministic, "
        "which needs continuous actions; allowed: Box, or an algorithm with a stochastic actor, "
        "such as sac or crossq"
    )


@pytest.mark.parametrize("algorithm", [SAC, CrossQ])
def test_stock_policies_keep_the_words_of_their_library(algorithm: Any) -> None:
    with pytest.raises(AssertionError, match=r"only supports .*Box"):
        algorithm("MlpPolicy", "CartPole-v1", device="cpu")


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"policy_kwargs": {"extractor": "ofenet"}}, "reads actions as numbers"),
        ({"policy_kwargs": {"use_sde": True}}, "use_sde"),
        ({"use_sde": True}, "use_sde"),
        ({"action_noise": NormalActionNoise(np.zeros(1), np.ones(1))}, "action_noise is Normal"),
        ({"target_entropy": "auto_x"}, "'auto' for 0.2 log |A|, 'auto_0.5' for half of log |A|"),
        ({"env": Choices(spaces.MultiDiscrete([[2, 2]]))}, "of shape (1, 2); allowed with Scale"),
        ({"env": Choices(spaces.MultiDiscrete([5000, 9]))}, "has 45000 joint actions; allowed"),
        ({"env": Choices(spaces.MultiBinary(2))}, "Box with finite bounds, Discrete, MultiDiscr"),
    ],
)
def test_what_cannot_be_is_told(settings: dict[str, Any], said: str) -> None:
    assert said in sentence(**settings)


@pytest.mark.parametrize("name", ["noise", "spread"])
def test_collectors_cannot_move_discrete_actions(name: str) -> None:
    with pytest.raises(Sb3ScaleError, match=f"{name} of the collectors is .*cannot be moved"):
        make(collector={"name": "inline", "collectors": 1, name: [0.4, 0.1]})


def test_a_schedule_of_noise_is_refused() -> None:
    with pytest.raises(Sb3ScaleError, match="adds noise to actions, and the action space is Disc"):
        make().learn(5, callback=NoiseSchedule())


def test_pixels_reach_actor_and_critic() -> None:
    env = FakeImageEnv(20, 20, n_channels=3, discrete=True)
    extractor = {"name": "drq", "channels": 4, "features": 6}
    model = make(env=env, parts={"extractor": extractor, "transforms": ["random-shift"]})
    model.learn(24)
    assert torch.isfinite(weights(model)).all()


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", [SAC, CrossQ])
def test_cartpole_is_learned(algorithm: Any) -> None:
    model = make(
        algorithm=algorithm,
        env=gym.make("CartPole-v1"),
        actor={"network": {**NORMED, "width": 64}},
        critic={"network": {**NORMED, "width": 64}, "joint_batch": True},
        buffer_size=5000,
        batch_size=128,
        learning_starts=500,
        learning_rate=1e-3,
    ).learn(3000)
    returns = []
    env = gym.make("CartPole-v1")
    for seed in range(8):
        (observation, _), over, total = env.reset(seed=seed), False, 0.0
        while not over:
            action, _ = model.predict(observation, deterministic=True)
            observation, reward, terminated, truncated, _ = env.step(action)
            over, total = terminated or truncated, total + float(reward)
        returns.append(total)
    assert np.mean(returns) > 150
