"""Checks of constraints."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from sb3_scale.nn.linear import EnsembleLinear, linear_layers
from sb3_scale.parts import build
from sb3_scale.protocols import Constraint
from sb3_scale.testing.modules import check_copies
from sb3_scale.testing.part_under_test import ACTIONS, BATCH, FEATURES, MEMBERS, Subject

SETTLE = 100
"""Calls of ``project_`` after which also the power method has converged."""

TOLERANCE = 1e-3


def check_constraint(subject: Subject) -> None:
    """
    :param subject: a constraint
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Constraint`
    """
    layers = [EnsembleLinear(i, o, MEMBERS) for i, o in ((5, 6), (6, 6), (6, 2))]
    layers[-1].output = True
    parameters = [parameter for layer in layers for parameter in layer.parameters()]
    constraint = subject.build(layers)
    for layer in layers:
        layer.weight.data.normal_(0, 3)
    _settle(subject, constraint)
    kept = [parameter for layer in layers for parameter in layer.parameters()]
    subject.require(
        all(new is old for new, old in zip(kept, parameters, strict=True)),
        "replaces the parameters of a layer, which the optimiser then misses: change them in place",
    )
    before = _weights(layers)
    subject.require(all(bool(w.isfinite().all()) for w in before), "gives weights not finite")
    for layer, weight in zip(layers, before, strict=True):
        shape = (layer.n_members, layer.in_features, layer.out_features)
        subject.require(tuple(weight.shape) == shape, "changes the shape of a weight")
    constraint.project_()
    subject.require(
        all(map(_close, _weights(layers), before)),
        "changes weights that it has projected already: project_ must be idempotent",
    )
    for layer in layers:
        layer.weight.data[0].normal_(0, 3)
    _settle(subject, constraint)
    others = zip(_weights(layers), before, strict=True)
    subject.require(
        all(_close(new[1:], old[1:]) for new, old in others),
        "changes the weights of other members with those of member 0",
    )
    _check_in_critic(subject)


def _settle(subject: Subject, constraint: Constraint) -> None:
    for _ in range(SETTLE):
        subject.call("project_", constraint.project_)


def _weights(layers: list[EnsembleLinear]) -> list[Tensor]:
    return [layer.effective_weight().clone() for layer in layers]


def _close(new: Tensor, old: Tensor) -> bool:
    return bool((new - old).norm() <= TOLERANCE * (1 + old.norm()))


def _check_in_critic(subject: Subject) -> None:
    """Copies of the critic must be constrained on their own."""
    critic, features, actions = (
        _critic(subject),
        torch.randn(BATCH, FEATURES),
        torch.rand(BATCH, ACTIONS),
    )
    copy = subject.call("copy.deepcopy", deepcopy, critic)
    for parameter in copy.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    critic.load_state_dict(copy.state_dict())
    for _ in range(SETTLE):
        subject.call("project_ of a copy", copy.project_)
        critic.project_()
    pairs = zip(_weights(linear_layers(copy)), _weights(linear_layers(critic)), strict=True)
    subject.require(
        all(_close(*pair) for pair in pairs), "does not reach the layers of a copy by copy.deepcopy"
    )

    def evaluate(module: nn.Module) -> Tensor:
        output: Tensor = module(features, actions)
        return output

    evaluate(critic).sum().backward()  # type: ignore[no-untyped-call]
    subject.require(
        all(par.grad is not None and par.grad.isfinite().all() for par in critic.parameters()),
        "gives gradients that are missing or not finite in the layers",
    )
    critic.zero_grad()
    check_copies(subject, critic, lambda: _critic(subject), evaluate)


def _critic(subject: Subject) -> Any:
    config = {
        "name": "ensemble",
        "network": {"name": "mlp", "width": 8},
        "constraint": {"name": subject.spec.name, **subject.params},
    }
    return subject.call("a critic", build, "critic", config, FEATURES, ACTIONS)
