"""Checks of reductions."""

from typing import Any

import torch
from torch import Tensor, nn

from sb3_scale.parts import build
from sb3_scale.testing.modules import check_copies
from sb3_scale.testing.part_under_test import BATCH, MEMBERS, Subject
from sb3_scale.testing.samples import check_samples
from sb3_scale.testing.targets import check_descent, check_target, transitions, values_of


def check_reduction(subject: Subject) -> None:
    """
    :param subject: a reduction
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Reduction`
    """
    reduction: Any = subject.build_module(MEMBERS)
    reads = reduction.reads
    subject.require(
        reads is None
        or (isinstance(reads, tuple) and all(isinstance(each, str) for each in reads)),
        f"has {reads!r} as 'reads', which must be a tuple of texts, or None for any outputs",
    )
    values = list(values_of(reads))
    subject.require(bool(values), f"reads {reads}, and no installed value has such outputs")
    for name, value in values:
        _check_with(subject, reduction, f"with value '{name}'", value)
    means = torch.randn(MEMBERS, BATCH, 1)

    def evaluate(module: nn.Module) -> Tensor:
        estimate: Tensor = module.actor(means)  # type: ignore[operator]
        return estimate

    check_copies(subject, reduction, lambda: subject.build_module(MEMBERS), evaluate)


def _check_with(subject: Subject, reduction: Any, given: str, value: Any) -> None:
    subject.call(f"check {given}", reduction.check, value.n_outputs)
    outputs = torch.randn(MEMBERS, BATCH, value.n_outputs)
    distributions, means = value.distribution(outputs), value.mean(outputs)
    found = subject.call(f"target {given}", reduction.target, distributions, means)
    shapes = (BATCH,), (MEMBERS, BATCH)
    reduced = check_target(subject, f"target {given}", found, value.outputs, *shapes)
    target = subject.call(f"bootstrap {given}", value.bootstrap, reduced, *transitions())
    loss = build("loss", value.loss)
    what = f"the loss {value.loss!r} of its target {given}"
    check_descent(subject, loss, value, torch.randn_like(outputs), target, what)

    leaf = means.clone().requires_grad_()
    estimate = subject.call("actor(means)", reduction.actor, leaf)
    subject.tensor("actor(means)", estimate, (BATCH, 1))
    subject.require(estimate.requires_grad, "cuts the gradient of the means in actor(means)")
    other = torch.randn_like(outputs)
    first, second = ((value.distribution(each), value.mean(each)) for each in (outputs, other))
    check_samples(subject, f"target {given}", reduction.target, first, second)
    check_samples(subject, "actor(means)", reduction.actor, first[1:], second[1:])
