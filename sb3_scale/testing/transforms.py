"""Checks of transforms."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from sb3_scale.learning.batch import Batch
from sb3_scale.testing.modules import check_copies, same
from sb3_scale.testing.part_under_test import BATCH, Subject
from sb3_scale.testing.training import STARTS, make_model


def check_transform(subject: Subject) -> None:
    """
    :param subject: a transform
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Transform`
    """
    model = make_model(subject)
    subject.call("the first steps of an environment", model.learn, STARTS)
    (transform,) = model.policy.transforms
    batch = model.sample(BATCH)
    given = batch.clone()
    made = _apply(subject, transform, batch, "forward")
    for before, after in zip(given.tensors(), batch.tensors(), strict=True):
        subject.require(torch.equal(before, after), "changes the batch that it is given in place")
    copies = made.copies, made.next_copies
    for before, after in zip(given.kinds(*copies), made.kinds(*copies), strict=True):
        subject.require(
            before == after, f"makes a tensor of {after} in the place of one of {before}"
        )
    scaled = subject.call("scaled_rewards", transform.scaled_rewards, batch.rewards)
    subject.require(
        same(scaled, made.rewards), "gives other rewards in scaled_rewards than in forward"
    )
    subject.require(
        transform.scales_rewards or same(scaled, batch.rewards),
        "scales rewards, and its 'scales_rewards' is False",
    )
    _check_pairs(subject, transform, batch, model.sample(BATCH))
    # The compiler's front end alone: it is what stops at a branch on a tensor.
    program = torch.compile(transform, fullgraph=True, backend="eager")
    compiled = _apply(subject, program, batch, "the compiled forward")
    subject.require(
        all(map(same, compiled.tensors(), made.tensors())), "gives another batch when compiled"
    )

    def make() -> nn.Module:
        fresh: Any = subject.build_module()
        fresh.bind(model.gamma, model.policy.critic.value.value_range)
        module: nn.Module = fresh
        return module

    def evaluate(module: nn.Module) -> Tensor:
        return torch.cat(
            [each.flatten() for each in _apply(subject, module, batch, "forward").tensors()]
        )

    check_copies(subject, transform, make, evaluate)


def _check_pairs(subject: Subject, transform: Any, batch: Batch, other: Batch) -> None:
    """What a transition is changed to is made of it, whatever of others is mixed in."""
    made = _apply(subject, transform, batch, "forward")
    for row in range(BATCH):
        mixed = batch.clone()
        for into, new in zip(mixed.tensors(), other.tensors(), strict=True):
            into[row] = new[row]
        found = _apply(subject, transform, mixed, "forward")
        for name in ("observations", "next_observations", "actions"):
            given, changed, before, after = (
                _rows(getattr(each, name), row) for each in (batch, mixed, made, found)
            )
            subject.require(
                all(map(torch.equal, given, changed)) or not all(map(torch.equal, before, after)),
                f"gives a transition {name} that are not made of its own",
            )


def _rows(tensors: Any, row: int) -> list[Tensor]:
    """Of one transition, in all of its copies."""
    return [each[row::BATCH] for each in tree_leaves(tensors)]


def _apply(subject: Subject, transform: Any, batch: Batch, what: str) -> Batch:
    # One that draws must draw the same numbers each time.
    torch.manual_seed(0)
    made = subject.call(what, transform, batch)
    subject.require(isinstance(made, Batch), "gives no Batch in forward")
    checked: Batch = made
    subject.require(
        len(checked.tensors()) == len(batch.tensors()), "leaves tensors of the batch away"
    )
    return checked
