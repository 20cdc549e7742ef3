"""Checks of constraints, losses and optimisers."""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from sb3_scale.nn.linear import EnsembleLinear, linear_layers
from sb3_scale.parts import build
from sb3_scale.protocols import Constraint
from sb3_scale.testing.modules import check_copies, same
from sb3_scale.testing.subject import BATCH, MEMBERS, Subject

FEATURES, ACTIONS = 4, 2

SETTLE = 100
"""Calls of ``project_`` after which also the power method has converged."""

TOLERANCE = 1e-3


def check_constraint(subject: Subject) -> None:
    """
    :param subject: a constraint
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Constraint`
    """
    layers = [EnsembleLinear(i, o, MEMBERS) for i, o in ((5, 6), (6, 6), (6, 2))]
    parameters = [parameter for layer in layers for parameter in layer.parameters()]
    constraint = subject.build(layers)
    subject.require(callable(getattr(constraint, "project_", None)), "has no method 'project_'")
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
    critic, features, actions = _critic(subject), torch.randn(BATCH, 4), torch.rand(BATCH, 2)
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


def check_loss(subject: Subject) -> None:
    """
    :param subject: a loss
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Loss`, or
        :class:`sb3_scale.protocols.CalibratedLoss` where it has ``calibrate``
    """
    loss = subject.build_module()
    outputs = torch.randn(MEMBERS, BATCH, 1, requires_grad=True)
    for target in (torch.randn(BATCH, 1), torch.randn(MEMBERS, BATCH, 1)):
        what = f"forward with a target of shape {tuple(target.shape)}"
        # A copy, because an adapting loss may change with each call.
        value = subject.tensor(what, subject.call(what, deepcopy(loss), outputs, target), ())
        subject.require(value.requires_grad, "cuts the gradient of its output")
        (grad,) = torch.autograd.grad(value, outputs, allow_unused=True)
        if grad is None or not bool(grad.isfinite().all()):
            raise AssertionError(
                f"loss '{subject.spec.name}' gives the outputs a gradient missing or not finite"
            )
        below = deepcopy(loss)(outputs - 1e-3 * grad / (grad.norm() + 1e-12), target)
        subject.require(bool(below < value), "does not fall along its negative gradient")
        loss(outputs, target)
    calibrate: Any = getattr(loss, "calibrate", None)
    if calibrate is not None:
        figures = subject.call("calibrate", calibrate, torch.randn(BATCH), torch.randn(BATCH))
        for name, figure in figures.items():
            subject.tensor(f"calibrate's figure '{name}'", figure, ())

    def evaluate(module: nn.Module) -> Tensor:
        output: Tensor = deepcopy(module)(outputs, torch.zeros(BATCH, 1))
        return output

    check_copies(subject, loss, subject.build_module, evaluate)


def check_optimizer(subject: Subject) -> None:
    """
    :param subject: an optimiser
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Optimizer`
    """
    rate = 1e-2
    module = build("critic", {"name": "ensemble", "network": {"name": "mlp", "width": 8}}, 4, 2)
    optimizer = subject.build(module, rate)
    subject.require(isinstance(optimizer, torch.optim.Optimizer), "is no torch.optim.Optimizer")
    held = [id(parameter) for group in optimizer.param_groups for parameter in group["params"]]
    subject.require(len(held) == len(set(held)), "holds a parameter twice")
    for name, parameter in module.named_parameters():
        subject.require(id(parameter) in held, f"misses the parameter '{name}' of its module")
    subject.require(
        all(group["lr"] == rate for group in optimizer.param_groups),
        "changes the learning rate of a group, which Stable-Baselines3 sets back",
    )
    features, actions = torch.randn(BATCH, FEATURES), torch.rand(BATCH, ACTIONS)

    def step(critic: nn.Module, its_optimizer: torch.optim.Optimizer) -> float:
        its_optimizer.zero_grad()
        error = (critic(features, actions) - 1).square().mean()
        error.backward()
        subject.call("step", its_optimizer.step)
        return float(error.detach())

    first = step(module, optimizer)
    last = [step(module, optimizer) for _ in range(100)][-1]
    subject.require(last < first, "does not lower a squared error in 100 steps")

    copy = deepcopy(module)
    other = subject.build(copy, rate)
    subject.call("load_state_dict", other.load_state_dict, deepcopy(optimizer.state_dict()))
    step(module, optimizer)
    step(copy, other)
    subject.require(
        all(map(same, copy.parameters(), module.parameters())),
        "goes on differently after load_state_dict: a part of its state is missing there",
    )
