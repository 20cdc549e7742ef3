"""Checks of losses."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from sb3_scale.parts import build
from sb3_scale.testing.modules import check_copies
from sb3_scale.testing.part_under_test import BATCH, MEMBERS, Subject
from sb3_scale.testing.targets import check_descent, transitions, values_of

REDUCTIONS = ("min", "none", "truncated")
"""They give a target for all members, one for each, and one of another width."""


def check_loss(subject: Subject) -> None:
    """
    With outputs and targets of every value that it reads.

    :param subject: a loss
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Loss`
    """
    loss: Any = subject.build_module()
    subject.require(
        isinstance(loss.reads, tuple) and all(isinstance(each, str) for each in loss.reads),
        f"has {loss.reads!r} as 'reads', which must be a tuple of texts",
    )
    subject.require(loss.soft_weight > 0, f"has the soft_weight {loss.soft_weight}")
    subject.require_flags(loss, "calibrated")
    values = list(values_of(loss.reads))
    subject.require(bool(values), f"reads {loss.reads}, and no installed value has such outputs")
    for name, value in values:
        for reduction, target in _targets(value):
            what = (
                f"forward with value '{name}' and reduction '{reduction}', whose target has the "
                f"shape {tuple(target.shape)},"
            )
            outputs = torch.randn(MEMBERS, BATCH, value.n_outputs)
            check_descent(subject, loss, value, outputs, target, what)
            loss(outputs, target)
    if loss.calibrated:
        found = subject.call("calibrate", loss.calibrate, torch.randn(BATCH), torch.randn(BATCH))
        for name, scalar in found.items():
            subject.tensor(f"calibrate, as '{name}',", scalar, ())

    def evaluate(module: nn.Module) -> Tensor:
        output: Tensor = deepcopy(module)(outputs, target)
        return output

    check_copies(subject, loss, subject.build_module, evaluate)


def _targets(value: Any) -> Iterator[tuple[str, Tensor]]:
    for name in REDUCTIONS:
        reduction = build("reduction", name, MEMBERS)
        if reduction.reads is None or value.outputs in reduction.reads:
            outputs = torch.randn(MEMBERS, BATCH, value.n_outputs)
            reduced = reduction.target(value.distribution(outputs), value.mean(outputs))
            yield name, value.bootstrap(reduced, *transitions())
