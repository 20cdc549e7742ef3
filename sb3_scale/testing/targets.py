"""Transitions for bootstrap targets, and what must hold of targets whoever makes them."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from sb3_scale.parts import build
from sb3_scale.plugins import manager
from sb3_scale.testing.part_under_test import BATCH, Subject

TOLERANCE = 1e-3

LOOKS, STEPS_BETWEEN = 20, 20
"""How often it is seen whether a loss has led outputs to their target, after so many steps."""

REACHED = 0.25
"""Of the mean error at the start, what the greatest one must be below."""


def transitions(scale: float = 1.0) -> tuple[Tensor, Tensor, Tensor]:
    """
    :param scale: of rewards and entropy terms
    :return: rewards, discounts (that of the first transition is 0) and entropy terms, ``(b, 1)``
    """
    rewards, entropy_term = 0.01 * scale * torch.randn(2, BATCH, 1)
    discounts = torch.full((BATCH, 1), 0.9)
    discounts[0] = 0
    return rewards, discounts, entropy_term


def check_target(
    subject: Subject, what: str, target: Any, outputs: str, *leading: tuple[int, ...]
) -> Tensor:
    """
    :param subject: the part
    :param what: the call that gave it
    :param target: what must be a bootstrap target
    :param outputs: kind of the outputs that it is for
    :param leading: its shapes but for the last dimension that are right
    :return: the target
    :raises AssertionError: if it is none
    """
    subject.require(isinstance(target, Tensor), f"gives no tensor in {what}")
    k = target.shape[-1] if target.dim() else 1
    checked = subject.tensor(what, target, *((*shape, k) for shape in leading))
    if outputs == "categorical":
        total = float(checked.sum(dim=-1).flatten()[0])
        subject.require(
            bool((checked.sum(dim=-1) - 1).abs().max() < TOLERANCE),
            f"gives probabilities in {what} that sum to {total:.4g}, and must give 1",
        )
        subject.require(
            bool((checked > -TOLERANCE).all()), f"gives negative probabilities in {what}"
        )
    return checked


def check_descent(
    subject: Subject, loss: nn.Module, value: Any, outputs: Tensor, target: Tensor, what: str
) -> None:
    """
    :param subject: the part
    :param loss: of the critic
    :param value: what the outputs mean
    :param outputs: ``(m, b, n_outputs)``
    :param target: of these outputs
    :param what: the call as its author would write it
    :raises AssertionError: if the loss is no scalar, or does not lead each output to its target
    """
    # Far from the target, because the mean of many outputs is near it by itself.
    outputs = (outputs.detach() + torch.randn(*outputs.shape[:-1], 1)).requires_grad_()
    found = subject.tensor(what, subject.call(what, deepcopy(loss), outputs, target), ())
    subject.require(found.requires_grad, f"cuts the gradient of the outputs in {what}")
    (grad,) = torch.autograd.grad(found, outputs, allow_unused=True)
    finite = grad is not None and bool(grad.isfinite().all())
    subject.require(finite, f"gives the outputs a gradient missing or not finite in {what}")
    first = _errors(value, outputs, target).mean()
    optimizer = torch.optim.Adam([outputs], lr=0.05)
    for _ in range(LOOKS):
        subject.call(what, _descend, loss, outputs, target, optimizer)
        greatest = _errors(value, outputs, target).max()
        if greatest < REACHED * first:
            break
    subject.require(
        bool(greatest < REACHED * first),
        f"does not lead the outputs to their target in {what}: after "
        f"{LOOKS * STEPS_BETWEEN} steps of Adam one is {float(greatest):.3g} away from it, and "
        f"they were {float(first):.3g} away on average",
    )


def _errors(value: Any, outputs: Tensor, target: Tensor) -> Tensor:
    errors: Tensor = value.errors(outputs.detach(), target).abs()
    return errors


def _descend(
    loss: nn.Module, outputs: Tensor, target: Tensor, optimizer: torch.optim.Optimizer
) -> None:
    for _ in range(STEPS_BETWEEN):
        optimizer.zero_grad()
        # A copy each, because an adapting loss may change with each call.
        deepcopy(loss)(outputs, target).backward()
        optimizer.step()


def values_of(kinds: tuple[str, ...] | None) -> Iterator[tuple[str, Any]]:
    """
    :param kinds: of outputs, nothing for any
    :return: name and instance of each installed value that has such outputs
    """
    for _, spec in manager().specs("value"):
        value = build("value", spec.name)
        if kinds is None or value.outputs in kinds:
            yield spec.name, value
