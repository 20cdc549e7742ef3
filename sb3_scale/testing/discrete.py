"""Checks of actors and critics over discrete actions."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor

from sb3_scale.testing.critics import check_estimates, check_made, with_members
from sb3_scale.testing.modules import (
    check_copies,
    check_evaluation,
    check_gradients,
    check_members,
    check_projection,
    check_rows,
    check_training_argument,
    disturb_,
    same,
)
from sb3_scale.testing.part_under_test import BATCH, FEATURES, MEMBERS, Subject
from sb3_scale.testing.samples import check_samples
from sb3_scale.testing.targets import check_target, transitions

CHOICES = 5
SAMPLES = 40_000


def check_discrete_actor(subject: Subject) -> None:
    """
    :param subject: an actor
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.DiscreteActor`
    """
    actor: Any = subject.build_module(FEATURES, CHOICES)
    subject.require_flags(actor, "stochastic", "target")
    subject.require(actor.stochastic, "has False as 'stochastic', and gives probabilities")
    check_training_argument(subject, actor)
    features = torch.randn(BATCH, FEATURES)

    def evaluate(module: Any) -> Tensor:
        output: Tensor = module.log_probs(features)
        return output

    log_probs = subject.call("log_probs", actor.log_probs, features, training=True)
    log_probs = subject.tensor("log_probs", log_probs, (BATCH, CHOICES))
    total = log_probs.detach().exp().sum(dim=1)
    subject.require(
        same(total, torch.ones(BATCH)),
        f"gives probabilities in log_probs that sum to {float(total[0]):.4g}, and must give 1",
    )
    check_gradients(subject, actor, log_probs, {})
    check_evaluation(subject, actor, evaluate)
    check_rows(subject, evaluate(actor), actor.log_probs(features[:1]))
    _check_reads(subject, actor, lambda each, rows: each.log_probs(rows), features)
    with torch.no_grad():
        _check_choices(subject, actor, features)
    check_projection(subject, actor)
    check_copies(subject, actor, lambda: subject.build_module(FEATURES, CHOICES), evaluate)


def _check_reads(
    subject: Subject, part: Any, run: Callable[[Any, Tensor], Tensor], features: Tensor
) -> None:
    # A head may begin with zeros.
    disturbed = deepcopy(part)
    disturb_(disturbed)
    pair = (features,), (torch.randn_like(features),)
    check_samples(subject, "evaluation", lambda rows: run(disturbed, rows), *pair)


def _check_choices(subject: Subject, actor: Any, features: Tensor) -> None:
    log_probs = actor.log_probs(features)
    what = "forward with deterministic=True"
    mode = _indices(subject, what, subject.call(what, actor, features, True), BATCH)
    most = log_probs.take_along_dim(mode, dim=1)
    subject.require(
        same(most, log_probs.amax(dim=1, keepdim=True)), f"gives no most probable action in {what}"
    )
    many = features[:1].expand(SAMPLES, -1)
    drawn = _indices(subject, "forward", subject.call("forward", actor, many), SAMPLES)
    shares = torch.bincount(drawn.flatten(), minlength=CHOICES) / SAMPLES
    gap = float((shares - log_probs[0].exp()).abs().max())
    subject.require(
        gap < 0.02, f"samples an action more or less often than log_probs says, by {gap:.2g}"
    )
    what = "action_log_prob"
    pair = subject.call(what, actor.action_log_prob, features)
    subject.require(isinstance(pair, tuple) and len(pair) == 2, f"gives no pair in {what}")
    chosen = _indices(subject, what, pair[0], BATCH)
    found = subject.tensor(what, pair[1], (BATCH, 1))
    subject.require(
        same(found, log_probs.take_along_dim(chosen, dim=1)),
        f"gives log-probabilities in {what} that are not those of log_probs",
    )


def _indices(subject: Subject, what: str, found: Any, rows: int) -> Tensor:
    subject.require(isinstance(found, Tensor), f"gives no tensor in {what}")
    right = found.dtype == torch.int64 and tuple(found.shape) == (rows, 1)
    subject.require(
        right and bool(((found >= 0) & (found < CHOICES)).all()),
        f"gives no indices of actions in {what}, torch.int64 of shape ({rows}, 1) from 0 to "
        f"{CHOICES - 1}",
    )
    indices: Tensor = found
    return indices


def check_discrete_critic(subject: Subject) -> None:
    """
    :param subject: a critic
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.DiscreteCritic`
    """
    make, number = with_members(subject, CHOICES)
    critic: Any = make()
    check_made(subject, critic)
    features, n_outputs = torch.randn(BATCH, FEATURES), critic.value.n_outputs
    every = subject.call("all_outputs", critic.all_outputs, features, training=True)
    subject.require(
        isinstance(every, Tensor) and every.dim() == 4,
        "does not give (n_critics, batch, n_actions, n_outputs) in all_outputs",
    )
    members = MEMBERS if number else len(every)
    every = subject.tensor("all_outputs", every, (members, BATCH, CHOICES, n_outputs))
    check_gradients(subject, critic, every, {})

    def evaluate(module: Any) -> Tensor:
        output: Tensor = module.all_outputs(features)
        return output.flatten(2)

    check_evaluation(subject, critic, evaluate)
    check_rows(subject, evaluate(critic), critic.all_outputs(features[:1]).flatten(2))
    _check_reads(subject, critic, lambda each, rows: each.all_outputs(rows).flatten(2), features)
    _check_one(subject, critic, features)
    _check_all(subject, critic, every.detach())
    if members == MEMBERS:
        check_members(subject, critic, evaluate)
    check_projection(subject, critic)
    check_copies(subject, critic, make, evaluate)


def _check_one(subject: Subject, critic: Any, features: Tensor) -> None:
    """One action has the outputs that it has among all."""
    every = critic.all_outputs(features)
    actions = torch.arange(BATCH)[:, None] % CHOICES
    expected = every[:, range(BATCH), actions.flatten()]
    shape = tuple(expected.shape)
    for what, found in (
        ("taken", subject.call("taken", critic.taken, every, actions)),
        ("forward", subject.call("forward", critic, features, actions)),
    ):
        subject.require(
            same(subject.tensor(what, found, shape), expected),
            f"gives outputs in {what} that are not those of all_outputs",
        )
    check_estimates(subject, critic, expected.detach())


def _check_all(subject: Subject, critic: Any, every: Tensor) -> None:
    """With all probability on one action the target is that of the action."""
    judged = subject.call("judge_all", critic.judge_all, every)
    judged = subject.tensor("judge_all", judged, (BATCH, CHOICES))
    certain = torch.zeros(BATCH, CHOICES)
    certain[:, 2] = 1
    subject.require(
        same(judged[:, 2:3], critic.judge(every[:, :, 2])),
        "gives estimates in judge_all that are not those of judge",
    )
    what = "bootstrap_all"
    rest = transitions()
    found = subject.call(what, critic.bootstrap_all, every, certain, *rest)
    leading = ((BATCH,), (len(every), BATCH))
    target = check_target(subject, what, found, critic.value.outputs, *leading)
    subject.require(
        same(target, critic.bootstrap(every[:, :, 2], *rest)),
        f"gives targets in {what} of one certain action that are not those of bootstrap",
    )
