"""A network of plain torch modules, from a stranger's module, trains and keeps its modes apart."""

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sb3_scale import SAC, Network, hookimpl
from sb3_scale.nn.mlp import ensemble_of
from sb3_scale.plugins import manager


def plain(in_features: int, n_members: int, width: int = 8, dropout: float = 0.0) -> Any:
    """The part: batch norm and dropout, which behave differently in training and evaluation."""

    def member(size: int) -> nn.Module:
        norm = nn.BatchNorm1d(width)
        return nn.Sequential(nn.Linear(size, width), norm, nn.ReLU(), nn.Dropout(dropout))

    return ensemble_of(member, in_features, n_members)


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = ModuleType("third_party")
    module.plain = plain
    monkeypatch.setitem(sys.modules, "third_party", module)

    class Plugin:
        @hookimpl
        def sb3_scale_components(self) -> Iterator[Network]:
            yield Network("plain", "third_party:plain")

    assert manager().register(Plugin(), "third-party").status == "active"
    yield
    manager().unregister("third-party")


def make(**network: Any) -> SAC:
    part = {"name": "plain", **network}
    parts = {
        "actor": {"name": "squashed-gaussian", "network": part},
        "critic": {"name": "ensemble", "network": part, "n_critics": 3},
    }
    return SAC(
        "ScalePolicy",
        "Pendulum-v1",
        seed=0,
        device="cpu",
        buffer_size=500,
        batch_size=32,
        learning_starts=40,
        policy_kwargs=parts,
    )


def statistics(module: nn.Module) -> list[torch.Tensor]:
    return [buffer.clone() for name, buffer in module.named_buffers() if "running_mean" in name]


@pytest.mark.usefixtures("plugin")
def test_members_are_modules_of_their_own() -> None:
    network = make(width=5).policy.critic.network
    assert network.out_features == 5
    assert len(network.members) == 3
    x = torch.randn(3, 7, 4)
    together = network(x, training=False)
    for member, part, found in zip(network.members, x, together, strict=True):
        torch.testing.assert_close(member.eval()(part), found)


@pytest.mark.usefixtures("plugin")
def test_statistics_move_in_training_alone_and_the_target_copies_them() -> None:
    model = make()
    model.learn(40)
    policy = model.policy
    start = statistics(policy.critic) + statistics(policy.actor)
    assert not any(part.any() for part in start)  # no update yet, only steps in the environment

    model.train(3, 32)
    moved = statistics(policy.critic) + statistics(policy.actor)
    assert all(part.any() for part in moved)
    for online, target in zip(
        statistics(policy.critic), statistics(policy.critic_target), strict=True
    ):
        assert torch.equal(online, target)

    observation = np.ones((20, 3), np.float32)
    model.predict(observation)
    model.learn(1, reset_num_timesteps=True)  # one step of the environment, before any update
    still = statistics(policy.critic) + statistics(policy.actor)
    assert all(torch.equal(a, b) for a, b in zip(still, moved, strict=True))


@pytest.mark.usefixtures("plugin")
def test_batch_statistics_serve_training_and_running_ones_evaluation() -> None:
    torch.manual_seed(0)
    critic = make().policy.critic
    features, actions = 5 * torch.randn(64, 3) + 3, torch.randn(64, 1)
    x = torch.cat((features, actions), 1)
    for mode in (True, False):
        found = critic(features, actions, training=mode)
        linear, norm = critic.network.members[0][:2]
        hidden = linear(x)
        mean, var = hidden.mean(0), hidden.var(0, unbiased=False)
        if not mode:
            # One training pass has moved them by a tenth from 0 and 1.
            mean, var = 0.1 * mean, 0.9 + 0.1 * hidden.var(0)
        hidden = torch.relu((hidden - mean) / torch.sqrt(var + norm.eps))
        expected = hidden @ critic.output.weight[0] + critic.output.bias[0]
        torch.testing.assert_close(found[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.usefixtures("plugin")
def test_dropout_is_off_in_predictions() -> None:
    model = make(dropout=0.5)
    model.learn(50)
    observation = np.ones((5, 3), np.float32)
    first, _ = model.predict(observation, deterministic=True)
    for _ in range(3):
        again, _ = model.predict(observation, deterministic=True)
        assert np.array_equal(first, again)
    with torch.no_grad():
        tensor = torch.ones(5, 3)
        noisy = [model.policy.actor(tensor, True, training=True) for _ in range(3)]
    assert not torch.equal(noisy[0], noisy[1])
