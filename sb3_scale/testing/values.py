"""Checks of values."""

import typing
from typing import Any

import torch
from torch import Tensor, nn

from sb3_scale.parts import build, load_target
from sb3_scale.testing.modules import check_copies, same
from sb3_scale.testing.part_under_test import BATCH, MEMBERS, Subject
from sb3_scale.testing.samples import check_samples
from sb3_scale.testing.targets import TOLERANCE, check_descent, check_target, transitions
from sb3_scale.value_types import annotations


def check_value(subject: Subject) -> None:
    """
    Each choice of each parameter is checked, such as every projection of a categorical value.

    :param subject: a value
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Value`
    """
    _check(subject, {})
    for name, hint in annotations(load_target(subject.spec)).items():
        if typing.get_origin(hint) is typing.Literal and name not in subject.params:
            for choice in typing.get_args(hint):
                _check(subject, {name: choice})


def _check(subject: Subject, params: dict[str, Any]) -> None:
    value: Any = subject.build_module(**params)
    subject.require(isinstance(value.outputs, str), "has no text as 'outputs'")
    subject.require(type(value.n_outputs) is int, "has no whole number 'n_outputs'")
    low, high = -1.0, 1.0
    if value.value_range is not None:
        low, high = value.value_range
        subject.require(low < high, f"has the value_range {value.value_range}")
    outputs = torch.randn(MEMBERS, BATCH, value.n_outputs, requires_grad=True)
    means = subject.tensor(
        "mean(outputs)", subject.call("mean(outputs)", value.mean, outputs), (MEMBERS, BATCH, 1)
    )
    subject.require(means.requires_grad, "cuts the gradient of the outputs in mean(outputs)")
    if value.value_range is not None:
        inside = (means >= low - TOLERANCE) & (means <= high + TOLERANCE)
        subject.require(bool(inside.all()), f"gives means outside its value_range, {low} to {high}")
    expected = subject.call("expectation", value.expectation, value.distribution(outputs))
    subject.require(
        same(expected, means), "gives another mean(outputs) than the expectation of distribution"
    )
    with torch.no_grad():
        _check_targets(subject, value, outputs.detach(), high - low)
    other = torch.randn_like(outputs)
    for dim in (-2, -3):
        for name in ("mean", "distribution"):
            what = f"{name}(outputs)"
            check_samples(subject, what, getattr(value, name), (outputs,), (other,), dim)
    loss = subject.call("its loss", build, "loss", value.loss)
    subject.require(
        value.outputs in loss.reads,
        f"names the loss {value.loss!r}, which reads {' or '.join(loss.reads)} outputs, and its "
        f"own are {value.outputs}",
    )
    with torch.no_grad():
        other = value.distribution(torch.randn(BATCH, value.n_outputs).unsqueeze(0))[0]
        target = value.bootstrap(other, *transitions(high - low))
    check_descent(subject, loss, value, outputs, target, f"its loss {value.loss!r}")
    check_copies(
        subject,
        value,
        lambda: subject.build_module(**params),
        lambda module: _mean(module, outputs),
    )


def _mean(module: nn.Module, outputs: Tensor) -> Tensor:
    means: Tensor = module.mean(outputs)  # type: ignore[operator]
    return means


def _check_targets(subject: Subject, value: Any, outputs: Tensor, width: float) -> None:
    what = "distribution(outputs)"
    distribution = subject.tensor(
        what, subject.call(what, value.distribution, outputs), tuple(outputs.shape)
    )
    rewards, discounts, entropy_term = transitions(width)
    for reduced in (distribution[0], distribution):
        for term in (None, entropy_term):
            what = f"bootstrap of shape {tuple(reduced.shape)}"
            found = subject.call(what, value.bootstrap, reduced, rewards, discounts, term)
            target = check_target(subject, what, found, value.outputs, tuple(reduced.shape[:-1]))
            what = "errors(outputs, target)"
            errors = subject.call(what, value.errors, outputs, target)
            errors = subject.tensor(what, errors, (MEMBERS, BATCH, 1))
            if reduced is distribution and _reaches_zero(value):
                next_values = value.mean(outputs) - (0 if term is None else term)
                expected = rewards + discounts * next_values
                off = (value.mean(outputs) - errors - expected).abs().max()
                subject.require(
                    bool(off < 10 * TOLERANCE * width),
                    "gives targets whose expectation is not r + discount (next value - entropy "
                    f"term) in {what}, but up to {float(off):.3g} off",
                )
    still = value.bootstrap(distribution, 0 * rewards, torch.ones_like(discounts), None)
    subject.require(
        bool(value.errors(outputs, still).abs().max() < TOLERANCE * width),
        "has errors where the target is its own distribution",
    )


def _reaches_zero(value: Any) -> bool:
    """Whether returns of the discounted size are within its bounds."""
    return value.value_range is None or value.value_range[0] < 0 < value.value_range[1]
