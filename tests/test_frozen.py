"""Frozen parameters stay bit for bit, the rest learns; optimisers may be put in place anew."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest
import torch
from small_models import OFENET, make

from sb3_scale import SAC, TD3

TINY = {"name": "mlp", "width": 8}
UNIT: dict[str, Any] = {
    "actor": {"name": "squashed-gaussian", "network": TINY, "constraint": "unit-norm"},
    "critic": {"name": "ensemble", "network": TINY, "constraint": "unit-norm"},
    "optimizer": {"name": "adamw", "weight_decay": 0.1},
}
BATCH = {**TINY, "norm": "batch"}
FROZEN: dict[str, tuple[Any, dict[str, Any], Callable[[Any], Any]]] = {
    "layer": (SAC, UNIT, lambda model: model.policy.actor.network.linears[0]),
    "layer of the critic": (SAC, UNIT, lambda model: model.policy.critic.network.linears[0]),
    "actor": (TD3, {}, lambda model: model.policy.actor),
    "actor with a batch norm": (
        SAC,
        {"actor": {"name": "squashed-gaussian", "network": BATCH}},
        lambda model: model.policy.actor,
    ),
    "critic": (SAC, UNIT, lambda model: model.policy.critic),
    "extractor": (SAC, {"extractor": OFENET}, lambda model: model.policy.extractor),
    "shift": (
        SAC,
        {"actor": {"name": "optimistic", "network": TINY}},
        lambda model: model.policy.actor.shift,
    ),
    "temperature": (SAC, {}, lambda model: model.learners.ent_coef.modules["ent_coef"]),
}


def state(module: torch.nn.Module) -> list[torch.Tensor]:
    return [each.clone() for each in module.state_dict().values()] or [
        each.detach().clone() for each in module.parameters()
    ]


def same(module: torch.nn.Module, before: list[torch.Tensor]) -> bool:
    return all(map(torch.equal, state(module), before))


@pytest.mark.parametrize("learned_before", [False, True])
@pytest.mark.parametrize("what", FROZEN)
def test_what_is_frozen_stays_and_learns_again_later(what: str, learned_before: bool) -> None:
    algorithm, parts, find = FROZEN[what]
    model = make(algorithm, parts=parts, learning_starts=5, batch_size=4)
    if learned_before:
        model.learn(10)
    frozen = find(model).requires_grad_(False)
    apart = {id(each) for each in frozen.parameters()}
    others = [
        module
        for learner in model.learners
        for module in learner.modules.values()
        if (own := {id(each) for each in module.parameters()}) and not own & apart
    ]
    before, theirs = state(frozen), [state(each) for each in others]
    model.learn(12, reset_num_timesteps=not learned_before)
    assert same(frozen, before)
    assert others
    assert not any(map(same, others, theirs))
    find(model).requires_grad_(True)
    model.learn(4, reset_num_timesteps=False)
    assert not same(frozen, before)


def test_the_layers_beside_a_frozen_one_learn() -> None:
    model = make(SAC, parts=UNIT, learning_starts=5, batch_size=4)
    first, second = model.policy.actor.network.linears
    first.requires_grad_(False)
    before = state(second)
    model.learn(10)
    assert not same(second, before)


@pytest.mark.parametrize("through", ["policy", "model"])
def test_an_optimiser_put_in_place_is_used_with_the_rate_of_the_algorithm(through: str) -> None:
    model = make(SAC, learning_starts=5, batch_size=4, learning_rate=1e-2).learn(8)
    owner = model.policy.actor if through == "policy" else model.actor
    owner.optimizer = torch.optim.SGD(model.policy.actor.parameters(), lr=1.0)
    old = state(model.policy.actor)
    model.train(1, 4)
    changes = [new - o for new, o in zip(state(model.policy.actor), old, strict=True)]
    for change, parameter in zip(changes, model.policy.actor.parameters(), strict=True):
        torch.testing.assert_close(change, -1e-2 * parameter.grad, rtol=1e-3, atol=1e-6)
    assert model.learners.actor.optimizer is model.actor.optimizer
    assert "foreach" in model.get_parameters()["actor.optimizer"]["param_groups"][0]


@pytest.mark.parametrize("settings", [{}, {"autocast": True}], ids=str)
def test_a_deep_copy_trains_its_own_networks_and_what_is_frozen_in_it(settings: Any) -> None:
    model = make(SAC, learning_starts=5, batch_size=4, **settings).learn(8)
    model.policy.actor.requires_grad_(False)
    twin = deepcopy(model)
    theirs, ours = state(model.policy), state(twin.policy.actor)
    twin.policy.critic.optimizer = torch.optim.SGD(twin.policy.critic.parameters(), lr=1e-2)
    twin.train(2, 4)
    assert same(model.policy, theirs)
    assert same(twin.policy.actor, ours)
    assert not same(twin.policy.critic, state(model.policy.critic))
