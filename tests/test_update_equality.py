"""
The shared update, with the networks of Stable-Baselines3, does what Stable-Baselines3 does.

Both start from the same weights, see the same batches and the same random numbers, and are compared
after each gradient step. What differs is the order of float32 sums (one batched matrix product for
all critics, fused Adam), about 1e-7 per operation. SAC of Stable-Baselines3 gets the exact tanh
correction here.
"""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import stable_baselines3
import torch
from small_models import ExactTanh
from stable_baselines3.common.logger import Logger
from torch import Tensor, nn

import sb3_scale
from sb3_scale.nn.linear import linear_layers

OBS, ACT, BATCH, STEPS = 11, 3, 64, 20
ACTOR_WIDTH, CRITIC_WIDTH = 32, 24
RATE = 1e-3
# Measured over all cases: after 20 steps parameters differ by at most 2e-7, and logged values by
# 2e-7 of their size. One Adam step moves a parameter by about RATE, so a mistake in any term shows
# at 1e-4 and above; the bounds leave ten times the rounding measured here for other machines.
PARAMETERS = {"rtol": 0.0, "atol": 2e-6}
LOGGED = {"rel": 2e-6, "abs": 2e-6}


class Spaces(gym.Env):
    """Gives the spaces; the replay buffers are filled by hand."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (OBS,))
    action_space = gym.spaces.Box(-1, 1, (ACT,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        return np.zeros(OBS, np.float32), {}


def fill(models: tuple[Any, Any]) -> None:
    """Give both the same transitions; some end an episode, by termination or by a time limit."""
    random = np.random.default_rng(0)
    for _ in range(300):
        done = random.random() < 0.2
        limit = done and random.random() < 0.5
        transition = (
            random.normal(size=(1, OBS)),
            random.normal(size=(1, OBS)),
            random.uniform(-1, 1, size=(1, ACT)),
            random.normal(size=1),
            np.array([done]),
            [{"TimeLimit.truncated": limit}],
        )
        for model in models:
            model.replay_buffer.add(*transition)
    terminated = models[0].replay_buffer.dones * (1 - models[0].replay_buffer.timeouts)
    assert 10 < terminated.sum() < models[0].replay_buffer.dones.sum()


def linears(*modules: nn.Module) -> list[tuple[Tensor, Tensor]]:
    """Weights and biases of the linear layers, input first."""
    layers = [m for module in modules for m in module.modules() if isinstance(m, nn.Linear)]
    return [(layer.weight.data, layer.bias.data) for layer in layers]


def their_weights(name: str, policy: Any) -> dict[str, list[list[tuple[Tensor, Tensor]]]]:
    """Per network and member, the weights of Stable-Baselines3."""
    if name == "SAC":
        heads = [*linears(policy.actor.mu), *linears(policy.actor.log_std)]
        output = tuple(torch.cat(part) for part in zip(*heads, strict=True))
        found = {"actor": [[*linears(policy.actor.latent_pi), output]]}
    else:
        found = {
            "actor": [linears(policy.actor.mu)],
            "actor_target": [linears(policy.actor_target.mu)],
        }
    for critic in ("critic", "critic_target"):
        found[critic] = [linears(network) for network in getattr(policy, critic).q_networks]
    return found


def pairs(name: str, ours: Any, theirs: Any) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Our tensor and theirs in our layout, for each parameter of each network."""
    for network, members in their_weights(name, theirs.policy).items():
        layers = linear_layers(getattr(ours.policy, network))
        for member, expected in enumerate(members):
            for index, (layer, (weight, bias)) in enumerate(zip(layers, expected, strict=True)):
                where = f"{network} {member}, layer {index}"
                yield where, layer.weight.data[member], weight.T
                yield where, layer.bias.data[member, 0], bias


def make(name: str, **settings: Any) -> tuple[Any, Any]:
    common = {"learning_rate": RATE, "buffer_size": 1000, "device": "cpu", **settings}
    # Adam's first step turns a gradient near zero into one of full size, whatever rounded it.
    torch.manual_seed(1)
    theirs = getattr(stable_baselines3, name)(
        "MlpPolicy",
        Spaces(),
        policy_kwargs={"net_arch": {"pi": [ACTOR_WIDTH] * 2, "qf": [CRITIC_WIDTH] * 3}},
        **common,
    )
    if name == "SAC":
        theirs.actor.action_dist = ExactTanh(ACT)
    kind = "squashed-gaussian" if name == "SAC" else "deterministic"
    ours = getattr(sb3_scale, name)(
        "ScalePolicy",
        Spaces(),
        policy_kwargs={
            "actor": {"name": kind, "network": {"name": "mlp", "width": ACTOR_WIDTH}},
            "critic": {
                "name": "ensemble",
                "network": {"name": "mlp", "width": CRITIC_WIDTH, "depth": 3},
            },
        },
        **common,
    )
    for _, our_tensor, their_tensor in pairs(name, ours, theirs):
        our_tensor.copy_(their_tensor)
    count = sum(p.numel() for p in ours.policy.parameters())
    assert count == sum(p.numel() for p in theirs.policy.parameters())
    for model in (ours, theirs):
        model.set_logger(Logger(None, []))
    fill((ours, theirs))
    return ours, theirs


def step_both(
    name: str, ours: Any, theirs: Any, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Take one gradient step with the same batch and the same normal numbers."""
    # SAC of Stable-Baselines3 samples at s, then at s'; ours at s', then at s. TD3 draws the same.
    torch.manual_seed(1000 + step)
    at_s, at_next = torch.randn(2, BATCH, ACT)
    for model, noise in ((theirs, [at_s, at_next]), (ours, [at_next, at_s])):
        np.random.seed(step)
        torch.manual_seed(step)

        def draw(*args: Any, left: list[Tensor] = noise, **kwargs: Any) -> Tensor:
            return left.pop(0)

        with monkeypatch.context() as patch:
            patch.setattr("torch.distributions.normal._standard_normal", draw)
            patch.setattr(torch, "randn_like", draw)
            model.train(gradient_steps=1, batch_size=BATCH)
        assert len(noise) == (0 if name == "SAC" else 2)


CASES = {
    "sac": ("SAC", {}),
    "sac-fixed-temperature": ("SAC", {"ent_coef": 0.2, "gamma": 0.9, "tau": 0.1}),
    "sac-n-step": ("SAC", {"ent_coef": "auto_0.1", "n_steps": 3, "target_entropy": -1.0}),
    "td3": ("TD3", {}),
    "td3-delay": ("TD3", {"policy_delay": 3, "target_policy_noise": 0.5, "tau": 0.1}),
    "td3-n-step": ("TD3", {"n_steps": 3, "target_noise_clip": 0.1, "gamma": 0.9}),
    "td3-no-noise": ("TD3", {"target_policy_noise": 0.0, "policy_delay": 1}),
}

CHANGES: dict[str, dict[str, Any]] = {
    "sac": {"target_entropy": -40.0},
    "sac-fixed-temperature": {"ent_coef_tensor": torch.tensor(3.0)},
    "td3": {"target_policy_noise": 2.0, "target_noise_clip": 1.5},
    "td3-no-noise": {"target_policy_noise": 0.4},
}
"""Attributes that a callback changes half-way."""


@pytest.mark.parametrize(
    ("case", "changes"), [*((case, {}) for case in CASES), *CHANGES.items()], ids=str
)
def test_update_equals_stable_baselines3(
    case: str, changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    name, settings = CASES[case]
    ours, theirs = make(name, **settings)
    start = {where: tensor.clone() for where, tensor, _ in pairs(name, ours, theirs)}
    for step in range(STEPS):
        if step == STEPS // 2:
            vars(ours).update(changes)
            vars(theirs).update(changes)
        step_both(name, ours, theirs, step, monkeypatch)
        for where, our_tensor, their_tensor in pairs(name, ours, theirs):
            torch.testing.assert_close(
                our_tensor,
                their_tensor,
                **PARAMETERS,
                msg=lambda text, where=where, step=step: f"step {step}, {where}: {text}",
            )
        if name == "SAC" and theirs.log_ent_coef is not None:
            torch.testing.assert_close(ours.log_ent_coef, theirs.log_ent_coef, **PARAMETERS)
        # The losses, the temperature, the learning rate and the number of updates.
        assert ours.logger.name_to_value == pytest.approx(theirs.logger.name_to_value, **LOGGED)
        assert "train/critic_loss" in theirs.logger.name_to_value
        for model in (ours, theirs):
            model.logger.dump()
    moved = [
        (tensor - start[where]).abs().max()
        for where, tensor, _ in pairs(name, ours, theirs)
        if "target" not in where
    ]
    assert min(moved) > RATE, "too little training to compare"
