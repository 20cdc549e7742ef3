"""A stranger's network, constraint and extractor, offered in this process, in the whole update."""

import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from sb3_scale import SAC, Constraint, Network, Spec, hookimpl, specs
from sb3_scale.diagnostics.critic_loss import CriticLoss
from sb3_scale.nn.base import Extractor
from sb3_scale.nn.linear import linear_layers
from sb3_scale.nn.mlp import ensemble_of
from sb3_scale.plugins import manager


def plain(in_features: int, n_members: int, width: int = 8, dropout: float = 0.0) -> Any:
    """The part: batch norm and dropout, which behave differently in training and evaluation."""

    def member(size: int) -> nn.Module:
        norm = nn.BatchNorm1d(width)
        return nn.Sequential(nn.Linear(size, width), norm, nn.ReLU(), nn.Dropout(dropout))

    return ensemble_of(member, in_features, n_members)


class UnitNorm:
    """The constraint: each member's weight has norm 1."""

    def __init__(self, layers: list[Any]) -> None:
        self.layers = layers

    def project_(self) -> None:
        for layer in self.layers:
            layer.weight.data /= layer.weight.data.norm(dim=(1, 2), keepdim=True)


class Encoder(Extractor):
    """The extractor: it learns."""

    def __init__(self, observation_space: Any, width: int = 6) -> None:
        super().__init__()
        self.linear = nn.Linear(observation_space.shape[0], width)
        self.features_dim = width

    def forward(self, observations: torch.Tensor, training: bool = False) -> torch.Tensor:
        return torch.tanh(self.linear(observations))


@pytest.fixture(autouse=True)
def plugin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    module = ModuleType("third_party")
    module.plain, module.UnitNorm, module.Encoder = plain, UnitNorm, Encoder
    monkeypatch.setitem(sys.modules, "third_party", module)

    class Plugin:
        @hookimpl
        def sb3_scale_components(self) -> Iterator[Spec]:
            yield Network("plain", "third_party:plain")
            yield Constraint("unit", "third_party:UnitNorm")
            yield specs.Extractor("encoder", "third_party:Encoder")

    assert manager().register(Plugin(), "third-party").status == "active"
    yield
    manager().unregister("third-party")


def make(
    network: Any = "plain", constraint: Any = None, extractor: Any = "flatten", **settings: Any
) -> SAC:
    part = {"network": network, "constraint": constraint}
    return SAC(
        "ScalePolicy",
        "Pendulum-v1",
        seed=0,
        device="cpu",
        buffer_size=500,
        batch_size=32,
        learning_starts=40,
        policy_kwargs={
            "actor": {"name": "squashed-gaussian", **part},
            "critic": {"name": "ensemble", "n_critics": 3, **part},
            "extractor": extractor,
        },
        **settings,
    )


def statistics(module: nn.Module) -> list[torch.Tensor]:
    return [buffer.clone() for name, buffer in module.named_buffers() if "running_mean" in name]


def test_members_are_modules_of_their_own() -> None:
    network = make({"name": "plain", "width": 5}).policy.critic.network
    assert network.out_features == 5
    assert len(network.members) == 3
    x = torch.randn(3, 7, 4)
    together = network(x, training=False)
    for member, part, found in zip(network.members, x, together, strict=True):
        torch.testing.assert_close(member.eval()(part), found)


def test_statistics_move_in_training_alone_and_the_target_copies_them() -> None:
    model = make(target_update_interval=3)
    model.learn(40)
    policy = model.policy
    start = statistics(policy.critic) + statistics(policy.actor)
    assert not any(part.any() for part in start)  # no update yet, only steps in the environment

    model.train(2, 32)
    # Evaluating s' is no training: the target's statistics wait for the copy.
    assert not any(part.any() for part in statistics(policy.critic_target))
    model.train(1, 32)
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


def test_a_diagnostic_leaves_their_statistics_alone() -> None:
    """It evaluates the critic's loss in training mode, without gradients."""
    with_callback = make().learn(60, callback=CriticLoss(interval=10)).policy.state_dict()
    without = make().learn(60).policy.state_dict()
    assert any("running_mean" in name for name in without)
    torch.testing.assert_close(with_callback, without, rtol=0, atol=0)


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


def test_dropout_is_off_in_predictions() -> None:
    model = make({"name": "plain", "dropout": 0.5})
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


def test_constraint_holds_after_each_change_of_the_weights() -> None:
    model = make(
        {"name": "mlp", "width": 8, "depth": 3}, "unit", learning_rate=0.05, tau=0.5
    ).learn(40)
    parts = [model.policy.actor, model.policy.critic, model.policy.critic_target]
    for update in range(3):
        for part in parts:
            layers = linear_layers(part)
            assert len(layers) == 4
            assert layers[-1] is part.output
            for layer in layers:
                norms = layer.weight.norm(dim=(1, 2))
                torch.testing.assert_close(norms, torch.ones_like(norms))
        online, target = (part.output.weight for part in parts[1:])
        assert torch.equal(online, target) == (update == 0)
        model.train(1, 32)


def test_extractor_learns_from_the_critic_and_has_a_target() -> None:
    mlp, encoder = {"name": "mlp", "width": 8}, {"name": "encoder", "width": 5}
    model = make(mlp, None, encoder, tau=0.25, ent_coef=0.5, learning_rate=0.01).learn(40)
    policy = model.policy
    optimised = {id(p) for group in policy.critic.optimizer.param_groups for p in group["params"]}
    assert {id(p) for p in policy.extractor.parameters()} <= optimised
    before = policy.extractor.linear.weight.detach().clone()
    model.train(4, 32)
    assert not torch.equal(policy.extractor.linear.weight, before)

    # The next action comes of the online extractor, its value of the target's.
    np.random.seed(1)
    data = model.replay_buffer.sample(32)
    torch.manual_seed(1)
    with torch.no_grad():
        actions, log_prob = policy.actor.action_log_prob(policy.extractor(data.next_observations))
        values = policy.critic_target(policy.extractor_target(data.next_observations), actions)
        values = values.min(dim=0).values - 0.5 * log_prob
        target = data.rewards + 0.99 * (1 - data.dones) * values
        outputs = policy.critic(policy.extractor(data.observations), data.actions)
        expected = 0.5 * (outputs - target).square().mean(dim=(1, 2)).sum()
    old = policy.extractor_target.linear.weight.clone()
    np.random.seed(1)
    torch.manual_seed(1)
    model.logger.name_to_value.clear()
    model.train(1, 32)
    assert model.logger.name_to_value["train/critic_loss"] == pytest.approx(expected.item(), 1e-5)
    moved = 0.25 * policy.extractor.linear.weight + 0.75 * old
    torch.testing.assert_close(policy.extractor_target.linear.weight, moved)


def test_extractor_is_left_alone_by_the_actor() -> None:
    weights = []
    for delay in (1, 9):
        model = make({"name": "mlp", "width": 8}, None, "encoder", policy_delay=delay).learn(40)
        np.random.seed(0)
        torch.manual_seed(0)
        model.train(1, 32)
        weights.append(model.policy.extractor.linear.weight)
        gradients = [p.grad for p in model.policy.actor.parameters()]
        assert all(g is not None for g in gradients) == (delay == 1)
    assert torch.equal(*weights)


def test_a_copy_that_acts_has_the_present_weights_and_statistics() -> None:
    copied, plain = (
        make(
            extractor="encoder",
            constraint="unit",
            collector={"name": "local", "acting_device": device},
        ).learn(80)
        for device in ("cpu", None)
    )
    assert np.array_equal(copied.replay_buffer.actions, plain.replay_buffer.actions)
    for name, expected in plain.policy.state_dict().items():
        assert torch.equal(copied.policy.state_dict()[name], expected), name
