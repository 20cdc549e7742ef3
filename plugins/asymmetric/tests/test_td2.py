"""TD2 and DDPG against Stable-Baselines3."""

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


def test_ddpg_has_one_critic() -> None:
    unsaid: list[dict[str, Any]] = [{}, {"critic": "ensemble"}, {"critic": {"name": "ensemble"}}]
    for parts in unsaid:
        model = DDPG("ScalePolicy", "Pendulum-v1", policy_kwargs=parts, **SETTINGS)
        assert model.policy.critic.n_critics == 1
    twins = {"critic": {"name": "ensemble", "n_critics": 2}}
    with pytest.raises(sb3_scale.Sb3ScaleError, match="n_critics is 2, and DDPG has one critic"):
        DDPG("ScalePolicy", "Pendulum-v1", policy_kwargs=twins, **SETTINGS)
