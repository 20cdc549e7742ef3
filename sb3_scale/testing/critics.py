"""Checks of critics."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.parts import build, parameters
from sb3_scale.testing.critic_rows import check_estimates_apart
from sb3_scale.testing.modules import (
    check_copies,
    check_evaluation,
    check_gradients,
    check_members,
    check_projection,
    check_rows,
    check_training_argument,
    disturb_,
)
from sb3_scale.testing.part_under_test import ACTIONS, BATCH, FEATURES, MEMBERS, Subject
from sb3_scale.testing.samples import check_samples
from sb3_scale.testing.targets import check_descent, check_target, transitions

VALUES = ("scalar", "categorical")


def check_critic(subject: Subject) -> None:
    """
    :param subject: a critic
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Critic`
    """
    make, number = with_members(subject, ACTIONS)
    critic: Any = make()
    check_made(subject, critic)
    features, actions = torch.randn(BATCH, FEATURES), torch.rand(BATCH, ACTIONS) * 2 - 1
    what = "forward"
    outputs = subject.call(what, critic, features, actions, training=True)
    subject.require(
        isinstance(outputs, Tensor) and outputs.dim() == 3,
        "does not give (n_critics, batch, n_outputs) in forward",
    )
    n_critics = MEMBERS if number else len(outputs)
    subject.tensor(what, outputs, (n_critics, BATCH, critic.value.n_outputs))

    def evaluate(module: nn.Module) -> Tensor:
        output: Tensor = module(features, actions)
        return output

    check_evaluation(subject, critic, evaluate)
    check_rows(subject, evaluate(critic), critic(features[:1], actions[:1]))
    leaf = actions.clone().requires_grad_()
    check_gradients(subject, critic, critic(features, leaf, training=True), {"actions": leaf})
    _check_inputs(subject, critic, features, actions)
    check_estimates(subject, critic, outputs.detach())
    known = parameters(subject.spec)
    for value in VALUES if "value" in known and "value" not in subject.params else ():
        _check_with(subject, {**number, "value": value})
    if n_critics == MEMBERS:
        check_members(subject, critic, evaluate)
    check_projection(subject, critic)
    check_copies(subject, critic, make, evaluate)


def _check_inputs(subject: Subject, critic: Any, features: Tensor, actions: Tensor) -> None:
    # A head may begin with zeros.
    disturbed = deepcopy(critic)
    disturb_(disturbed)
    pair = features, actions
    for what, other in (
        ("forward, of features,", (torch.randn_like(features), actions)),
        ("forward, of actions,", (features, -actions)),
    ):
        check_samples(subject, what, disturbed, pair, other)


def with_members(
    subject: Subject, n_actions: int
) -> tuple[Callable[[], nn.Module], dict[str, int]]:
    """
    :param subject: a critic
    :param n_actions: numbers of an action, or discrete actions
    :return: what makes it with an odd number of members, which tells a wrong dimension from a right
        one, and that number, where it takes one
    """
    number = {"n_critics": MEMBERS} if "n_critics" in parameters(subject.spec) else {}
    return lambda: subject.build_module(FEATURES, n_actions, **number), number


def check_made(subject: Subject, critic: Any) -> None:
    """
    :param subject: a critic
    :param critic: an instance
    :raises AssertionError: if it lacks what the update asks of it
    """
    subject.require_flags(critic, "joint_batch", "target")
    check_training_argument(subject, critic)


def _check_with(subject: Subject, params: dict[str, Any]) -> None:
    config = {"name": subject.spec.name, **subject.params, **params}
    try:
        critic = build("critic", config, FEATURES, ACTIONS)
    except Sb3ScaleError:
        # A critic may refuse a value, which it tells its user in a sentence.
        return
    features, actions = torch.randn(BATCH, FEATURES), torch.rand(BATCH, ACTIONS) * 2 - 1
    outputs = subject.call(f"forward with value '{params['value']}'", critic, features, actions)
    check_estimates(subject, critic, outputs.detach())


def check_estimates(subject: Subject, critic: Any, outputs: Tensor) -> None:
    """
    :param subject: a critic
    :param critic: an instance
    :param outputs: of it, ``(n_critics, b, n_outputs)``, without gradient
    :raises AssertionError: if what it makes of them is not what the update needs
    """
    kind, n_critics = critic.value.outputs, len(outputs)
    leaf = outputs.clone().requires_grad_()
    for name, shape in (("mean", (n_critics, BATCH, 1)), ("judge", (BATCH, 1))):
        what = f"{name} of {kind} outputs"
        estimate = subject.tensor(what, subject.call(what, getattr(critic, name), leaf), shape)
        subject.require(estimate.requires_grad, f"cuts the gradient of the outputs in {what}")
    rewards, discounts, entropy_term = transitions()
    for term in (None, entropy_term):
        what = f"bootstrap of {kind} outputs"
        found = subject.call(what, critic.bootstrap, outputs, rewards, discounts, term)
        target = check_target(subject, what, found, kind, (BATCH,), (n_critics, BATCH))
        what = "td_errors(outputs, target)"
        errors = subject.tensor(
            what, subject.call(what, critic.td_errors, outputs, target), (BATCH,)
        )
        subject.require(bool((errors >= 0).all()), f"gives negative numbers in {what}")
        loss = build("loss", critic.value.loss)
        what = f"the loss {critic.value.loss!r} of its target"
        check_descent(subject, loss, critic.value, torch.randn_like(outputs), target, what)
    check_estimates_apart(subject, critic, outputs.shape)
