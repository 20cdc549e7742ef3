"""Whether what a critic makes of its outputs goes to the transitions that they belong to."""

from typing import Any

import torch
from torch import Tensor

from sb3_scale.testing.modules import same
from sb3_scale.testing.part_under_test import Subject
from sb3_scale.testing.samples import check_samples, differing, seeded
from sb3_scale.testing.targets import transitions


def check_estimates_apart(subject: Subject, critic: Any, shape: torch.Size) -> None:
    """
    :param subject: a critic
    :param critic: an instance
    :param shape: of its outputs
    :raises AssertionError: if a transition gets the estimate of another, or the target ignores one
        of its inputs
    """
    first, second = ((torch.randn(shape), *transitions()) for _ in range(2))
    _check_inputs(subject, critic, first, second)
    for name in ("mean", "judge"):
        check_samples(subject, name, getattr(critic, name), first[:1], second[:1])
    check_samples(subject, "bootstrap", critic.bootstrap, first, second)
    pair, other = (
        (outputs, critic.bootstrap(*each))
        for outputs, each in ((second[0], first), (first[0], second))
    )

    def td_errors(outputs: Tensor, target: Tensor) -> Tensor:
        errors: Tensor = critic.td_errors(outputs, target)
        return errors.unsqueeze(-1)

    check_samples(subject, "td_errors(outputs, target)", td_errors, pair, other)


def _check_inputs(
    subject: Subject, critic: Any, first: tuple[Tensor, ...], second: tuple[Tensor, ...]
) -> None:
    """The first transition terminates, after which only its reward counts."""
    outputs, rewards, discounts, entropy_term = second
    others = {
        "next_outputs": (outputs, *first[1:]),
        "rewards": (first[0], rewards, *first[2:]),
        "discounts": (*first[:2], 0.5 * discounts, first[3]),
        "entropy_term": (*first[:3], entropy_term),
    }
    target = seeded(subject, "bootstrap", critic.bootstrap, first)
    for name, inputs in others.items():
        other = seeded(subject, "bootstrap", critic.bootstrap, inputs)
        subject.require(
            bool(differing(other, target)[1:].all()), f"does not depend on {name} in bootstrap"
        )
        subject.require(
            name == "rewards" or same(other[..., 0, :], target[..., 0, :]),
            f"gives a target in bootstrap that depends on {name} where discounts are 0",
        )
