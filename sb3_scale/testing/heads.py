"""Checks of actors and critics."""

import math
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from sb3_scale.parts import build, parameters
from sb3_scale.testing.modules import (
    check_copies,
    check_evaluation,
    check_gradients,
    check_members,
    check_rows,
    check_training_argument,
    disturb_,
)
from sb3_scale.testing.subject import BATCH, MEMBERS, Subject

FEATURES, ACTIONS = 4, 2
SAMPLES = 40_000


def check_actor(subject: Subject) -> None:
    """
    :param subject: an actor
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Actor`
    """
    actor = subject.build_module(FEATURES, ACTIONS)
    _check_facts(subject, actor, ("stochastic", "target"))
    check_training_argument(subject, actor)
    features = torch.randn(BATCH, FEATURES)
    # Large features reach the corners of the box.
    for inputs in (features, 1000 * features):
        for deterministic in (True, False):
            what = f"forward with deterministic={deterministic}"
            actions = subject.call(what, actor, inputs, deterministic)
            actions = subject.tensor(what, actions, (BATCH, ACTIONS))
            subject.require(bool((actions.abs() <= 1).all()), f"leaves [-1, 1] in {what}")

    def evaluate(module: nn.Module) -> Tensor:
        output: Tensor = module(features, deterministic=True)
        return output

    check_evaluation(subject, actor, evaluate)
    check_rows(subject, evaluate(actor), actor(features[:1], deterministic=True))
    if getattr(actor, "stochastic", False):
        _check_log_prob(subject, actor, features)
    else:
        check_gradients(subject, actor, actor(features, training=True), {})
    _check_projection(subject, actor)
    check_copies(subject, actor, lambda: subject.build_module(FEATURES, ACTIONS), evaluate)


def check_critic(subject: Subject) -> None:
    """
    :param subject: a critic
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Critic`
    """
    # An odd number of members tells a wrong dimension from a right one.
    has_number = "n_critics" in parameters(subject.spec)
    number = {"n_critics": MEMBERS} if has_number else {}

    def make() -> nn.Module:
        return subject.build_module(FEATURES, ACTIONS, **number)

    critic = make()
    _check_facts(subject, critic, ("joint_batch", "target"))
    check_training_argument(subject, critic)
    features, actions = torch.randn(BATCH, FEATURES), torch.rand(BATCH, ACTIONS) * 2 - 1
    what = "forward"
    outputs = subject.call(what, critic, features, actions, training=True)
    subject.require(
        isinstance(outputs, Tensor) and outputs.dim() == 3,
        "does not give (n_critics, batch, n_outputs) in forward",
    )
    n_critics = MEMBERS if has_number else len(outputs)
    subject.tensor(what, outputs, (n_critics, BATCH, outputs.shape[-1]))

    def evaluate(module: nn.Module) -> Tensor:
        output: Tensor = module(features, actions)
        return output

    check_evaluation(subject, critic, evaluate)
    check_rows(subject, evaluate(critic), critic(features[:1], actions[:1]))
    leaf = actions.clone().requires_grad_()
    check_gradients(subject, critic, critic(features, leaf, training=True), {"actions": leaf})
    _check_values(subject, critic, outputs.detach())
    if n_critics == MEMBERS:
        check_members(subject, critic, evaluate)
    _check_projection(subject, critic)
    check_copies(subject, critic, make, evaluate)


def _check_facts(subject: Subject, module: nn.Module, names: tuple[str, ...]) -> None:
    for name in names:
        value = getattr(module, name, None)
        subject.require(
            isinstance(value, bool), f"has {value!r} as '{name}', which must be True or False"
        )


def _check_values(subject: Subject, critic: Any, outputs: Tensor) -> None:
    n_critics, batch, n_outputs = outputs.shape
    value = subject.call("value(outputs)", critic.value, outputs)
    subject.tensor("value(outputs)", value, (n_critics, batch, 1))
    for k in {1, n_outputs}:
        what = f"reduce of shape {(n_critics, batch, k)}"
        reduced = subject.call(what, critic.reduce, torch.randn(n_critics, batch, k))
        subject.tensor(what, reduced, (batch, k), (n_critics, batch, k))


def _check_projection(subject: Subject, module: nn.Module) -> None:
    project = getattr(module, "project_", None)
    subject.require(callable(project), "has no method 'project_'")
    shapes = [parameter.shape for parameter in module.parameters()]
    disturb_(module)
    subject.require(
        [parameter.shape for parameter in module.parameters()] == shapes,
        "changes the shape of a weight in project_",
    )


def _check_log_prob(subject: Subject, actor: Any, features: Tensor) -> None:
    what = "action_log_prob"
    method = getattr(actor, what, None)
    subject.require(callable(method), f"has no method '{what}', and its 'stochastic' is True")
    pair = subject.call(what, actor.action_log_prob, features, training=True)
    subject.require(isinstance(pair, tuple) and len(pair) == 2, f"gives no pair in {what}")
    actions = subject.tensor(what, pair[0], (BATCH, ACTIONS))
    log_prob = subject.tensor(what, pair[1], (BATCH, 1))
    subject.require(bool((actions.abs() <= 1).all()), f"leaves [-1, 1] in {what}")
    output = torch.cat((actions, log_prob), dim=1)
    if hasattr(actor, "train_exploration"):
        _check_exploration(subject, actor, output, features)
    else:
        check_gradients(subject, actor, output, {})
    subject.require(
        actions.requires_grad, f"cuts the gradient of the actions in {what}: sample with rsample"
    )
    with torch.no_grad():
        _check_density(subject, actor, features[:1])


def _check_exploration(subject: Subject, actor: Any, output: Tensor, features: Tensor) -> None:
    """Exploration trains the weights that the policy's gradient does not reach, and no others."""
    named = dict(actor.named_parameters())
    found = torch.autograd.grad(output.sum(), list(named.values()), allow_unused=True)
    reached = {name for name, grad in zip(named, found, strict=True) if grad is not None}
    subject.require(bool(reached), "has gradients that are all missing in action_log_prob")
    own = getattr(actor, "exploration_optimizer", None)
    subject.require(isinstance(own, torch.optim.Optimizer), "has no 'exploration_optimizer'")
    optimizer = torch.optim.Adam(named.values(), 1e-2)

    def optimize(loss: Tensor) -> None:
        optimizer.zero_grad()
        loss.backward(inputs=list(named.values()))  # type: ignore[no-untyped-call]
        optimizer.step()

    before = {name: parameter.detach().clone() for name, parameter in named.items()}
    critic = build("critic", {"name": "ensemble", "network": {"name": "mlp", "width": 8}}, 4, 2)
    policy = SimpleNamespace(critic=critic, critic_outputs=critic)
    what = "train_exploration"
    figures = subject.call(what, actor.train_exploration, features, policy, optimize)
    for name, value in figures.items():
        subject.tensor(f"{what}, as '{name}',", value, ())
    for name, parameter in named.items():
        changed = not torch.equal(parameter, before[name])
        if name in reached:
            fault = f"changes its parameter '{name}' in {what}, which the policy uses"
            subject.require(not changed, fault)
        else:
            subject.require(changed, f"leaves its parameter '{name}' unchanged in {what}")


def _check_density(subject: Subject, actor: Any, features: Tensor) -> None:
    """The mean of 1 / p over the samples in a box is the volume of the box."""
    actions, log_prob = actor.action_log_prob(features.expand(SAMPLES, -1))
    low, high = actions.quantile(0.25, dim=0), actions.quantile(0.75, dim=0)
    inside = ((actions > low) & (actions < high)).all(dim=1)
    volume = float((-log_prob[inside]).exp().sum() / SAMPLES)
    expected = float((high - low).prod())
    factor = expected / volume if volume else math.inf
    subject.require(
        abs(volume / expected - 1) < 0.1,
        f"gives log-probabilities that do not fit its actions: the density between the quartiles "
        f"is off by the factor {factor:.3g}",
    )
