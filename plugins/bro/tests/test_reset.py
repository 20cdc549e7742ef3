"""Resets: what begins anew and what stays."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import gymnasium
import pytest
import torch
from small_models import OFENET, assert_same
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import configure
from stable_baselines3.common.preprocessing import get_flattened_obs_dim
from torch import nn

from sb3_scale import SAC, TD3, Extractor, Loss, hookimpl
from sb3_scale.generators import random_states, set_random_states
from sb3_scale.nn import base
from sb3_scale.parts import build
from sb3_scale.plugins import manager
from sb3_scale.testing import check_component
from sb3_scale_crossq.algorithm import CrossQ

NETWORK = {"name": "mlp", "width": 16, "norm": "batch-renorm"}
PLAIN = {"name": "mlp", "width": 16}
PARTS = {
    "plain": {
        "actor": {"name": "squashed-gaussian", "network": PLAIN},
        "critic": {"name": "ensemble", "network": PLAIN},
    },
    "sac": {
        "actor": {"name": "squashed-gaussian", "network": NETWORK, "constraint": "spectral"},
        "critic": {"name": "ensemble", "network": NETWORK, "constraint": "spectral"},
    },
    "bro": {
        "actor": {"name": "optimistic", "network": {"name": "bronet", "width": 16, "depth": 1}},
        "critic": {
            "name": "ensemble",
            "network": {"name": "bronet", "width": 16},
            "value": {"name": "quantiles", "n_quantiles": 5},
            "reduction": "mean",
        },
        "loss": "quantile",
    },
    "td3": {
        "actor": {"name": "deterministic", "network": NETWORK},
        "critic": {"name": "ensemble", "network": NETWORK},
    },
    "crossq": {
        "actor": {"name": "squashed-gaussian", "network": NETWORK, "constraint": "unit-norm"},
        "critic": {
            "name": "ensemble",
            "network": NETWORK,
            "constraint": "unit-norm",
            "joint_batch": True,
            "target": False,
        },
    },
}
ALGORITHMS = {"plain": SAC, "sac": SAC, "bro": SAC, "td3": TD3, "crossq": CrossQ}


def make(name: str = "plain", env: Any = "Pendulum-v1", **settings: Any) -> Any:
    parts = {**PARTS[name], **settings.pop("policy_kwargs", {})}
    defaults = {"learning_starts": 20, "batch_size": 16, "buffer_size": 500, "seed": 0}
    return ALGORITHMS[name](
        "ScalePolicy", env, device="cpu", policy_kwargs=parts, **{**defaults, **settings}
    )


class Before(BaseCallback):
    """Keeps what decision 50 left, and stops the training at the next."""

    def _on_rollout_start(self) -> None:
        if self.model.num_timesteps == 50:
            self.parameters = deepcopy(self.model.get_parameters())
            self.observations = self.model.replay_buffer.observations.copy()

    def _on_step(self) -> bool:
        return self.model.num_timesteps != 51


def reset_at_50(model: Any, **params: Any) -> Any:
    """State before the reset; the model is left right after it, before a gradient step."""
    before = Before()
    reset = build("callback", {"name": "reset", "at": [50], **params})
    model.learn(100, callback=[before, reset])
    assert model._n_updates == 50 - model.learning_starts
    assert (model.replay_buffer.observations == before.observations).all()
    assert model.replay_buffer.pos == 50
    return before.parameters


@pytest.mark.parametrize("name", ["sac", "bro", "td3", "crossq"])
def test_everything_of_the_agent_begins_anew(name: str) -> None:
    model = make(name, **({"ent_coef": "auto_0.3"} if name == "sac" else {}))
    before = reset_at_50(model)
    policy = model.policy
    after = policy.state_dict()
    first, second = (make(name, seed=seed).policy.state_dict() for seed in (7, 8))
    for key, value in after.items():
        if first[key].equal(second[key]):
            assert value.equal(first[key]), key
        else:
            assert not value.equal(before["policy"][key]), key
            assert not value.equal(first[key]), key
            if value.numel() > 16:
                assert float(value.std()) == pytest.approx(float(first[key].std()), rel=0.3), key
    if name in ("sac", "td3", "crossq"):
        constant = {key for key, value in after.items() if value.equal(first[key])}
        moved = {key for key in constant if not before["policy"][key].equal(after[key])}
        assert {"actor.network.norms.0.running_var", "critic.network.norms.1.steps"} <= moved
    targets = 0
    for learner in model.learners:
        for part, target in learner.targets.items():
            targets += 1
            assert_same(target.state_dict(), learner.modules[part].state_dict(), part)
    assert targets == {"sac": 1, "bro": 1, "td3": 2, "crossq": 0}[name]
    for key, value in model.get_parameters().items():
        if key.endswith("optimizer"):
            assert before[key]["state"]
            assert not value["state"]
            assert value["param_groups"] == before[key]["param_groups"]
    if name != "td3":
        wanted = 0.3 if name == "sac" else 1.0
        assert model.log_ent_coef.exp().item() == pytest.approx(wanted)


@pytest.mark.parametrize("name", ["sac", "bro", "td3", "crossq"])
def test_goes_on_as_a_new_agent_with_the_same_weights_and_buffer(name: str) -> None:
    model = make(name)
    reset_at_50(model)
    twin = make(name, seed=7)
    twin.policy.load_state_dict(model.policy.state_dict())
    twin.replay_buffer, twin._n_updates = model.replay_buffer, model._n_updates
    states = random_states(model.action_space)
    for each in (model, twin):
        each.set_logger(configure(None, []))
        set_random_states(states, each.action_space)
        each.train(6, 16)
    assert_same(model.get_parameters(), twin.get_parameters(), name)
    if name != "td3":
        assert model.log_ent_coef.equal(twin.log_ent_coef)


class Linear(base.Extractor):
    """An extractor that learns."""

    def __init__(self, observation_space: gymnasium.Space) -> None:
        super().__init__()
        self.features_dim = 5
        self.layer = nn.Linear(get_flattened_obs_dim(observation_space), 5)

    def forward(self, observations: torch.Tensor, training: bool = False) -> torch.Tensor:
        return self.layer(observations)


class AdaptingLoss(base.CriticLoss):
    """A loss with a state."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return (outputs - target).square().mean()


class Offer:
    """The two parts above."""

    @hookimpl
    def sb3_scale_components(self) -> Any:
        yield Extractor("linear", f"{__name__}:Linear")
        yield Loss("adapting", f"{__name__}:AdaptingLoss")


@pytest.fixture
def own_parts() -> Iterator[dict[str, str]]:
    manager().register(Offer(), "test-reset")
    yield {"extractor": "linear", "loss": "adapting"}
    manager().unregister("test-reset")


@pytest.mark.parametrize(
    "parts", [["actor"], ["critic"], ["extractor"], ["loss"], ["ent_coef"], None]
)
def test_parts_that_are_not_named_stay(own_parts: Any, parts: list[str] | None) -> None:
    model = make(policy_kwargs=own_parts)
    before = reset_at_50(model, parts=parts)
    after = model.get_parameters()
    changed = {
        key.split(".")[0].removesuffix("_target")
        for key, value in after["policy"].items()
        if not value.equal(before["policy"][key])
    }
    forgotten = {
        name
        for name in ("actor", "critic", "extractor")
        for module in [getattr(model.policy, name)]
        for parameter in module.parameters()
        if parameter not in model.policy.actor.optimizer.state
        and parameter not in model.policy.critic.optimizer.state
    }
    if not after["ent_coef_optimizer"]["state"]:
        assert model.log_ent_coef.item() == 0
        changed.add("ent_coef")
        forgotten.add("ent_coef")
    assert before["policy"]["loss.calls"] == 30
    wanted = set(parts or ["actor", "critic", "extractor", "loss", "ent_coef"])
    assert changed == wanted
    assert forgotten == wanted - {"loss"}


def test_an_extractor_with_a_loss_of_its_own_learns_alone_again() -> None:
    model = make(policy_kwargs={"extractor": OFENET})
    before = reset_at_50(model, parts=["extractor"])
    extractor, target = model.policy.extractor, model.policy.extractor_target
    assert_same(target.state_dict(), extractor.state_dict(), "target")
    for name, parameter in extractor.named_parameters():
        assert not parameter.equal(before["policy"][f"extractor.{name}"]), name
        assert extractor.optimizer.state[parameter]["step"] == OFENET["pretraining_steps"]
    for optimizer in (model.policy.actor.optimizer, model.policy.critic.optimizer):
        assert {int(state["step"]) for state in optimizer.state.values()} == {30}


def test_what_a_part_trains_beside_can_be_reset_alone() -> None:
    model = make("bro")
    before = reset_at_50(model, parts=["exploration"])
    actor = model.policy.actor
    changed = {
        key
        for key, value in model.policy.named_parameters()
        if not value.equal(before["policy"][key])
    }
    assert changed
    assert all(key.startswith("actor.shift.") for key in changed)
    assert set(actor.optimizer.state) == set(actor.policy.parameters())
    assert set(actor.multiplier_optimizer.state) == set(actor.multipliers.parameters())


def test_fixed_temperature_is_left_alone() -> None:
    model = make(ent_coef=0.1)
    reset_at_50(model)
    assert float(model.ent_coef_tensor) == pytest.approx(0.1)


def test_keeps_the_contract() -> None:
    check_component("callback", "reset", {"interval": 20})
