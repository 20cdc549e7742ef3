"""Whether what is computed for a sample is made of that sample, and of it alone."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from sb3_scale.testing.modules import same
from sb3_scale.testing.part_under_test import Subject

Run = Callable[..., Tensor]


def seeded(subject: Subject, what: str, run: Run, inputs: Sequence[Tensor]) -> Tensor:
    """
    :param subject: the part
    :param what: the call as its author would write it
    :param run: makes it
    :param inputs: of the call
    :return: its output, for which one that draws draws the same numbers each time
    """
    torch.manual_seed(0)
    with torch.no_grad():
        output: Tensor = subject.call(what, run, *inputs)
    return output


def check_samples(
    subject: Subject,
    what: str,
    run: Run,
    first: Sequence[Tensor],
    second: Sequence[Tensor],
    dim: int = -2,
) -> None:
    """
    Take one sample after the other from a second batch: its output must be that of the second
    batch, and all others those of the first.

    :param subject: the part
    :param what: the call as its author would write it
    :param run: makes it, with tensors that have one axis of samples in common
    :param first: inputs
    :param second: other inputs of the same shapes
    :param dim: the axis of the samples
    :raises AssertionError: if a sample gets the output of another, or one that is no function of it
    """
    outputs, others = (seeded(subject, what, run, inputs) for inputs in (first, second))
    for row in range(outputs.shape[dim]):
        mixed = [_replaced(*pair, row, dim) for pair in zip(first, second, strict=True)]
        subject.require(
            same(seeded(subject, what, run, mixed), _replaced(outputs, others, row, dim)),
            f"gives a sample what is made of another in {what}",
        )
    subject.require(
        bool(differing(outputs, others, dim).all()), f"does not depend on its input in {what}"
    )


def differing(first: Tensor, second: Tensor, dim: int = -2) -> Tensor:
    """
    :param first: outputs
    :param second: others of the same shape
    :param dim: the axis of the samples
    :return: whether each sample's differ, ``(b,)``
    """
    return (first != second).transpose(0, dim).flatten(1).any(dim=1)


def _replaced(first: Tensor, second: Tensor, row: int, dim: int) -> Tensor:
    mixed = first.detach().clone()
    mixed.select(dim, row).copy_(second.select(dim, row))
    return mixed
