"""The deterministic policy's noise inside the losses, against sums written out in NumPy."""

from typing import Any

import numpy as np
import pytest
import torch

import sb3_scale
from sb3_scale.parts import build
from sb3_scale.testing import check_component
from sb3_scale_asymmetric.td2 import DDPG, TD2

STD = 0.2
NETWORK = {"name": "mlp", "width": 8, "depth": 1}
NOISY = {"name": "noisy-deterministic", "network": NETWORK}


def make(algorithm: Any = TD2, actor: Any = NOISY, **settings: Any) -> Any:
    given = {"learning_starts": 20, "buffer_size": 200, "seed": 0, "device": "cpu", **settings}
    critic = {"name": "ensemble", "network": NETWORK}
    parts = {"actor": actor, "critic": critic}
    return algorithm("ScalePolicy", "Pendulum-v1", policy_kwargs=parts, **given)


def test_contract() -> None:
    check_component("actor", "noisy-deterministic")


@pytest.mark.parametrize("noise_clip", [None, 0.1])
def test_samples_are_the_mode_with_clipped_noise(noise_clip: float | None) -> None:
    actor = build("actor", {**NOISY, "noise_clip": noise_clip}, 3, 2)
    with torch.no_grad():
        actor.output.bias[...] = torch.tensor([0.0, 2.0])
        actor.output.weight.zero_()
        found = actor(torch.randn(50_000, 3)).numpy()
        mode = actor(torch.randn(1, 3), deterministic=True).numpy()
    noise = np.random.default_rng(0).normal(0, STD, (50_000, 2))
    noise = noise if noise_clip is None else noise.clip(-noise_clip, noise_clip)
    np.testing.assert_allclose(mode[0], np.tanh([0.0, 2.0]), rtol=1e-6)
    expected = (mode + noise).clip(-1, 1)
    np.testing.assert_allclose(found.mean(0), expected.mean(0), atol=0.005)
    np.testing.assert_allclose(found.std(0), expected.std(0), atol=0.005)
    share = (expected[:, 1] == 1).mean()
    assert (found[:, 1] == 1).mean() == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize("target", [True, False])
@pytest.mark.parametrize("algorithm", [TD2, DDPG, sb3_scale.TD3])
def test_the_noise_is_in_the_target_and_in_the_actors_loss(algorithm: Any, target: bool) -> None:
    settings = {"target_policy_noise": 0.0, "policy_delay": 1} if algorithm is sb3_scale.TD3 else {}
    model = make(algorithm, {**NOISY, "target": target}, learning_rate=0.0, **settings).learn(25)
    policy = model.policy
    with torch.no_grad():
        # Where the actor is at a bound, clipping counts.
        policy.actor.output.bias.fill_(1.5)
        policy.actor_target.output.bias.fill_(1.2)
    np.random.seed(3)
    torch.manual_seed(3)
    data = model.replay_buffer.sample(32)
    # Between the two the target's smoothing draws, of size 0 here.
    next_noise, _, noise = STD * torch.randn(3, 32, 1)

    def clipped(actor: Any, states: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
        mode: torch.Tensor = actor(states, deterministic=True)
        return (mode + added).clamp(-1, 1)

    with torch.no_grad():
        next_actions = clipped(policy.actor_target, data.next_observations, next_noise)
        next_q = policy.critic_target(data.next_observations, next_actions).amin(0)
        y = data.rewards + (1 - data.dones) * model.gamma * next_q
        q = policy.critic(data.observations, data.actions)
        actions = clipped(policy.actor, data.observations, noise)
        actor_loss = -policy.critic(data.observations, actions)[0].mean()
    np.random.seed(3)
    torch.manual_seed(3)
    model.train(1, 32)
    logged = model.logger.name_to_value
    expected = (q - y).square().mean(dim=(1, 2)).sum()
    assert logged["train/critic_loss"] == pytest.approx(float(expected), rel=1e-5)
    assert logged["train/actor_loss"] == pytest.approx(float(actor_loss), rel=1e-5)
    assert (policy.actor_target is policy.actor) != target
    assert (actions == 1).any()
    assert (actions < 1).any()


def test_it_explores_by_its_own_noise_and_acts_without() -> None:
    model = make()
    observations = np.zeros((2000, 3), np.float32)
    modes, _ = model.predict(observations, deterministic=True)
    samples, _ = model.predict(observations, deterministic=False)
    assert np.ptp(modes) < 1e-6
    # Pendulum's actions go from -2 to 2.
    assert samples.std() == pytest.approx(2 * STD, rel=0.1)


def test_nothing_changes_without_noise() -> None:
    """A noise of 1e-30 is lost in rounding."""
    ends = []
    for actor in ({**NOISY, "std": 1e-30}, {"name": "deterministic", "network": NETWORK}):
        model = make(actor=actor)
        ends.append(model.learn(40).policy.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


@pytest.mark.parametrize("parameter", ["std", "noise_clip"])
def test_noise_is_above_zero(parameter: str) -> None:
    with pytest.raises(sb3_scale.Sb3ScaleError, match=f"{parameter} is 0; allowed: "):
        build("actor", {**NOISY, parameter: 0}, 3, 2)
