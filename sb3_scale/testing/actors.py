"""Checks of actors."""

import math
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from sb3_scale.nn.base import Explorer
from sb3_scale.testing.learners import prepared_step, trained_by
from sb3_scale.testing.modules import (
    check_copies,
    check_evaluation,
    check_gradients,
    check_projection,
    check_rows,
    check_training_argument,
    disturb_,
)
from sb3_scale.testing.part_under_test import ACTIONS, BATCH, FEATURES, Subject
from sb3_scale.testing.samples import check_samples
from sb3_scale.testing.training import make_model

SAMPLES = 40_000


def check_actor(subject: Subject) -> None:
    """
    :param subject: an actor
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Actor`
    """
    actor: Any = subject.build_module(FEATURES, ACTIONS)
    subject.require_flags(actor, "stochastic", "target")
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
    _check_samples(subject, actor, features)
    if isinstance(actor, Explorer):
        with torch.no_grad():
            explored = subject.call("explore", actor.explore, features)
        explored = subject.tensor("explore", explored, (BATCH, ACTIONS))
        subject.require(bool((explored.abs() <= 1).all()), "leaves [-1, 1] in explore")
    if actor.stochastic:
        output = _check_log_prob(subject, actor, features)
    else:
        output = actor(features, training=True)
    _check_trained(subject, actor, output)
    check_projection(subject, actor)
    check_copies(subject, actor, lambda: subject.build_module(FEATURES, ACTIONS), evaluate)


def _check_log_prob(subject: Subject, actor: Any, features: Tensor) -> Tensor:
    what = "action_log_prob"
    method = getattr(actor, what, None)
    subject.require(callable(method), f"has no method '{what}', and its 'stochastic' is True")
    pair = subject.call(what, actor.action_log_prob, features, training=True)
    subject.require(isinstance(pair, tuple) and len(pair) == 2, f"gives no pair in {what}")
    actions = subject.tensor(what, pair[0], (BATCH, ACTIONS))
    log_prob = subject.tensor(what, pair[1], (BATCH, 1))
    subject.require(bool((actions.abs() <= 1).all()), f"leaves [-1, 1] in {what}")
    subject.require(
        actions.requires_grad, f"cuts the gradient of the actions in {what}: sample with rsample"
    )
    with torch.no_grad():
        _check_density(subject, actor, features[:1])
    return torch.cat((actions, log_prob), dim=1)


def _check_samples(subject: Subject, actor: Any, features: Tensor) -> None:
    # A head may begin with zeros.
    disturbed = deepcopy(actor)
    disturb_(disturbed)
    pair = (features,), (torch.randn_like(features),)
    what = "forward with deterministic=True"
    check_samples(subject, what, lambda rows: disturbed(rows, deterministic=True), *pair)
    if actor.stochastic and callable(getattr(actor, "action_log_prob", None)):
        for index, name in enumerate(("actions", "log-probabilities")):
            check_samples(
                subject,
                f"action_log_prob, of {name},",
                lambda rows, index=index: disturbed.action_log_prob(rows)[index],
                *pair,
            )


def _check_trained(subject: Subject, actor: nn.Module, output: Tensor) -> None:
    """Each weight is trained by the actor's loss, or else by a learner of its own."""
    model = make_model(subject)
    learners = list(model.policy.actor.learners(model.policy))
    if not learners:
        check_gradients(subject, actor, output, {})
        return
    named = dict(actor.named_parameters())
    found = torch.autograd.grad(output.sum(), list(named.values()), allow_unused=True)
    reached = {name for name, grad in zip(named, found, strict=True) if grad is not None}
    subject.require(bool(reached), "has gradients that are all missing in action_log_prob")
    others = trained_by(subject, learners, prepared_step(subject, model))
    for name, parameter in model.policy.actor.named_parameters():
        by_learners = id(parameter) in others
        if name in reached:
            fault = f"trains its parameter '{name}' by a learner, which the policy uses"
            subject.require(not by_learners, fault)
        else:
            subject.require(by_learners, f"trains its parameter '{name}' by no loss")


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
