"""TD2 and DDPG against Stable-Baselines3."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stable_baselines3
import torch
from stable_baselines3.common.noise import NormalActionNoise

import sb3_scale
from sb3_scale.testing import check_component
from sb3_scale_asymmetric.td2 import DDPG, TD2

NETWORK = {"name": "mlp", "width": 16}
SETTINGS: dict[str, Any] = {"learning_starts": 20, "buffer_size": 200, "seed": 0, "device": "cpu"}


def noise() -> NormalActionNoise:
    return NormalActionNoise(np.zeros(1), 0.2 * np.ones(1))


@pytest.mark.parametrize("algo", ["td2", "ddpg"])
def test_contract(algo: str) -> None:
    check_component("algorithm", algo)


def test_ddpg_with_a_stock_policy_is_that_of_stable_baselines3() -> None:
    models = [
        algorithm(
            "MlpPolicy",
            "Pendulum-v1",
            action_noise=noise(),
            policy_kwargs={"net_arch": [16]},
            **SETTINGS,
        ).learn(60)
        for algorithm in (DDPG, stable_baselines3.DDPG)
    ]
    ours, theirs = (model.policy.state_dict() for model in models)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize(("algorithm", "n_critics"), [(TD2, 2), (DDPG, 1)])
def test_it_is_td3_without_smoothing_and_delay(algorithm: Any, n_critics: int) -> None:
    parts = {
        "actor": {"name": "deterministic", "network": NETWORK},
        "critic": {"name": "ensemble", "network": NETWORK, "n_critics": n_critics},
    }
    given: dict[str, Any] = {**SETTINGS, "policy_kwargs": parts}
    model = algorithm("ScalePolicy", "Pendulum-v1", action_noise=noise(), **given).learn(60)
    td3 = sb3_scale.TD3(
        "ScalePolicy",
        "Pendulum-v1",
        action_noise=noise(),
        policy_delay=1,
        target_policy_noise=0.0,
        **given,
    ).learn(60)
    ours, theirs = model.policy.state_dict(), td3.policy.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert model.policy.critic.n_critics == n_critics


@pytest.mark.parametrize("critic_target", [True, False])
@pytest.mark.parametrize("actor_target", [True, False])
def test_loss_with_and_without_target_networks(critic_target: bool, actor_target: bool) -> None:
    """Section 3.2 and figure 3.1: y = r + gamma min_i Q_i(s', pi(s')), of targets or not."""
    parts = {
        "actor": {"name": "deterministic", "network": NETWORK, "target": actor_target},
        "critic": {"name": "ensemble", "network": NETWORK, "target": critic_target},
    }
    given: dict[str, Any] = {**SETTINGS, "policy_kwargs": parts, "tau": 0.1}
    model = TD2("ScalePolicy", "Pendulum-v1", action_noise=noise(), **given).learn(60)
    policy = model.policy
    np.random.seed(3)
    data = model.replay_buffer.sample(32)
    with torch.no_grad():
        actor = policy.actor_target if actor_target else policy.actor
        critic = policy.critic_target if critic_target else policy.critic
        next_q = critic(data.next_observations, actor(data.next_observations)).numpy()
        q = policy.critic(data.observations, data.actions).numpy()
    y = data.rewards.numpy() + (1 - data.dones.numpy()) * model.gamma * next_q.min(0)
    np.random.seed(3)
    model.train(1, 32)
    expected = ((q - y) ** 2).mean(axis=(1, 2)).sum()
    assert model.logger.name_to_value["train/critic_loss"] == pytest.approx(expected, rel=1e-4)
    assert (policy.actor_target is policy.actor) != actor_target
    assert (policy.critic_target is policy.critic) != critic_target


def test_ddpg_has_one_critic() -> None:
    unsaid: list[dict[str, Any]] = [{}, {"critic": "ensemble"}, {"critic": {"name": "ensemble"}}]
    for parts in unsaid:
        model = DDPG("ScalePolicy", "Pendulum-v1", policy_kwargs=parts, **SETTINGS)
        assert model.policy.critic.n_critics == 1
    one = DDPG("ScalePolicy", "Pendulum-v1", policy_kwargs={"n_critics": 1}, **SETTINGS)
    assert one.policy.critic.n_critics == 1
    twins: list[dict[str, Any]] = [
        {"critic": {"name": "ensemble", "n_critics": 2}},
        {"n_critics": 2},
        {"n_critics": 2, "critic": "ensemble"},
        {"n_critics": 1, "critic": {"name": "ensemble", "n_critics": 2}},
    ]
    message = "n_critics is 2, and DDPG has one critic"
    for parts in twins:
        with pytest.raises(sb3_scale.Sb3ScaleError, match=message):
            DDPG("ScalePolicy", "Pendulum-v1", policy_kwargs=parts, **SETTINGS)


@pytest.mark.parametrize("algorithm", [TD2, DDPG])
@pytest.mark.parametrize("name", ["policy_delay", "target_policy_noise", "target_noise_clip"])
def test_what_makes_it_td3_is_no_argument_of_load(
    algorithm: Any, name: str, tmp_path: Path
) -> None:
    algorithm("ScalePolicy", "Pendulum-v1", **SETTINGS).save(tmp_path / "m")
    with pytest.raises(sb3_scale.Sb3ScaleError, match=f"load has no argument '{name}' "):
        algorithm.load(tmp_path / "m", device="cpu", **{name: 2})
    assert algorithm.load(tmp_path / "m", device="cpu", gamma=0.5).gamma == 0.5
