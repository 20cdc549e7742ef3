"""Resets leave what was frozen, bit for bit, and renew the rest."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from small_models import OFENET, SMALL, make
from stable_baselines3.common.callbacks import BaseCallback
from torch import nn

from sb3_scale import SAC, TD3
from sb3_scale.parts import build

NORMED = {**SMALL, "norm": "batch-renorm"}
DIVIDED: dict[str, Any] = {
    "actor": {"name": "squashed-gaussian", "network": NORMED, "constraint": "spectral"},
    "critic": {"name": "ensemble", "network": NORMED, "constraint": "spectral"},
}
PARTS: dict[str, tuple[Any, dict[str, Any], Callable[[Any], Any]]] = {
    "actor with statistics": (SAC, DIVIDED, lambda model: model.policy.actor),
    "critic with statistics": (SAC, DIVIDED, lambda model: model.policy.critic),
    "extractor": (SAC, {"extractor": OFENET}, lambda model: model.policy.extractor),
    "actor with a target": (TD3, {}, lambda model: model.policy.actor),
    "critic with a target": (TD3, {}, lambda model: model.policy.critic),
    "what a part trains beside": (
        SAC,
        {"actor": {"name": "optimistic", "network": SMALL}},
        lambda model: model.policy.actor.shift,
    ),
}


class Before(BaseCallback):
    """Keeps what decision 50 left, and stops the training at the next."""

    def _on_rollout_start(self) -> None:
        if self.model.num_timesteps == 50:
            self.found = state(self.model.policy)

    def _on_step(self) -> bool:
        return self.model.num_timesteps != 51


def reset_at_50(model: Any) -> dict[str, torch.Tensor]:
    """The policy before the reset; the model is left right after it."""
    before = Before()
    count = {"reset_num_timesteps": model.num_timesteps == 0}
    model.learn(100, callback=[before, build("callback", {"name": "reset", "at": [50]})], **count)
    assert model.num_timesteps == 51
    return before.found


def state(module: nn.Module) -> dict[str, torch.Tensor]:
    return {name: each.clone() for name, each in module.state_dict().items()}


def same(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, each in ours.items() if each.equal(theirs[name])}


def under(module: nn.Module, policy: nn.Module) -> str:
    return next(path for path, each in policy.named_modules() if each is module)


@pytest.mark.parametrize("what", PARTS)
def test_a_part_that_is_frozen_as_a_whole_stays_with_its_target(what: str) -> None:
    algorithm, parts, find = PARTS[what]
    model = make(algorithm, parts=parts)
    frozen = find(model)
    frozen.requires_grad_(False)
    before = reset_at_50(model)
    path = under(frozen, model.policy)
    targets = [path.replace(part, f"{part}_target", 1) for part in ("actor", "critic", "extractor")]
    stays = [path, *(each for each in targets if each != path)]
    after = state(model.policy)
    for key, value in after.items():
        if key.startswith(tuple(f"{each}." for each in stays)):
            assert value.equal(before[key]), key
    changed = {key.split(".")[0] for key in after.keys() - same(after, before)}
    own = path.split(".")[0] if "." not in path else ""
    assert {"actor", "critic"} - {own} <= changed


@pytest.mark.parametrize(("algorithm", "parts"), [(SAC, DIVIDED), (SAC, {}), (TD3, {})], ids=str)
def test_a_frozen_layer_stays_with_what_its_constraint_knows(
    algorithm: Any, parts: dict[str, Any]
) -> None:
    model = make(algorithm, parts=parts)
    for part in (model.policy.actor, model.policy.critic):
        part.network.linears[1].requires_grad_(False)
    before = reset_at_50(model)
    after = state(model.policy)
    for part in ("actor", "critic"):
        first, second = (f"{part}.network.linears.{layer}." for layer in (0, 1))
        own = {key for key in after if key.startswith(second)}
        assert own
        assert own <= same(after, before)
        assert f"{first}weight" not in same(after, before)
    for learner in model.learners:
        for part, target in learner.targets.items():
            online = learner.modules[part].state_dict()
            assert same(target.state_dict(), online) == set(online)
    layer = model.policy.critic.network.linears[1]
    held = model.policy.critic.optimizer.state
    assert not any(each in held for each in layer.parameters())


def test_a_layer_that_was_frozen_later_keeps_its_state_of_the_optimiser() -> None:
    model = make(SAC).learn(30)
    layer = model.policy.critic.network.linears[0].requires_grad_(False)
    reset_at_50(model)
    held = model.policy.critic.optimizer.state
    assert set(held) == set(layer.parameters())


def test_a_frozen_temperature_stays() -> None:
    model = make(SAC, ent_coef="auto_0.3")
    model.log_ent_coef.requires_grad_(False)
    model.log_ent_coef.data.fill_(-2.5)
    reset_at_50(model)
    assert model.log_ent_coef.item() == -2.5


def test_what_learns_again_is_reset_again() -> None:
    model = make(SAC)
    model.policy.actor.requires_grad_(False)
    model.policy.actor.requires_grad_(True)
    before = reset_at_50(model)
    after = state(model.policy)
    assert not any(key.startswith("actor.") for key in same(after, before))
