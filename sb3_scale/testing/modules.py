"""Checks that hold for all modules: gradients, copies, evaluation, members of an ensemble."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn

from sb3_scale.testing.part_under_test import MEMBERS, Subject

Call = Callable[[nn.Module], Tensor]
"""Passes fixed inputs through a module in evaluation."""


def same(first: Tensor, second: Tensor) -> bool:
    """
    :param first: a tensor
    :param second: a tensor of the same shape
    :return: whether they are equal, but for rounding
    """
    return torch.allclose(first, second, rtol=1e-4, atol=1e-5)


def check_training_argument(subject: Subject, module: nn.Module) -> None:
    """
    :param subject: the part
    :param module: an instance
    """
    parameter = inspect.signature(module.forward).parameters.get("training")
    subject.require(
        parameter is not None and parameter.default is False,
        "has no argument 'training' with the default False in forward",
    )


def check_gradients(
    subject: Subject, module: nn.Module, output: Tensor, inputs: dict[str, Tensor]
) -> None:
    """
    Gradients must reach each parameter and each input.

    :param subject: the part
    :param module: an instance
    :param output: what it gave in training mode, of any shape
    :param inputs: leaf tensors that the output must depend on, by name
    """
    wanted: dict[str, Tensor] = {
        f"parameter '{name}'": parameter
        for name, parameter in module.named_parameters()
        if parameter.requires_grad
    }
    wanted.update(inputs)
    if not wanted:
        return
    subject.require(output.requires_grad, "cuts the gradient of its output")
    # A random direction, because the sum over a normalised output is constant.
    found = torch.autograd.grad(
        output, list(wanted.values()), grad_outputs=torch.randn_like(output), allow_unused=True
    )
    grads = dict(zip(wanted, found, strict=True))
    for name, grad in grads.items():
        finite = grad is not None and bool(grad.isfinite().all())
        subject.require(finite, f"gives its {name} a gradient that is missing or not finite")
    subject.require(any(map(_is_nonzero, found)), "has gradients that are all zero")
    for name in inputs:
        subject.require(_is_nonzero(grads[name]), f"does not depend on its {name}")


def _is_nonzero(grad: Tensor | None) -> bool:
    return grad is not None and bool(grad.any())


def check_evaluation(subject: Subject, module: nn.Module, call: Call) -> None:
    """
    In evaluation the output is a function of the input, and nothing is remembered.

    :param subject: the part
    :param module: an instance
    :param call: a pass in evaluation
    """
    with _remembering_nothing(subject, module, "in evaluation"):
        first, second = call(module), call(module)
        subject.require(same(first, second), "gives different outputs for one input in evaluation")


def check_training_without_gradients(subject: Subject, module: nn.Module, x: Tensor) -> None:
    """
    Where no gradient is taken, as in a diagnostic, training moves no running statistics.

    :param subject: a network or a norm
    :param module: an instance
    :param x: its input
    """
    with _remembering_nothing(subject, module, "in training without gradients"), torch.no_grad():
        module(x, True)


@contextmanager
def _remembering_nothing(subject: Subject, module: nn.Module, when: str) -> Iterator[None]:
    state = {name: value.clone() for name, value in module.state_dict().items()}
    yield
    for name, value in module.state_dict().items():
        subject.require(same(value, state[name]), f"changes its '{name}' {when}")


def check_copies(
    subject: Subject, module: nn.Module, make: Callable[[], nn.Module], call: Call
) -> None:
    """
    Target networks are deep copies, checkpoints are state dictionaries.

    :param subject: the part
    :param module: an instance, whose parameters are changed
    :param make: makes another instance
    :param call: a pass in evaluation
    """
    expected = call(module)
    copy = subject.call("copy.deepcopy", deepcopy, module)
    subject.require(same(call(copy), expected), "gives other outputs after copy.deepcopy")
    disturb_(module)
    subject.require(same(call(copy), expected), "shares weights with its copy by copy.deepcopy")
    fresh = make()
    subject.call("load_state_dict", fresh.load_state_dict, copy.state_dict())
    subject.require(
        same(call(fresh), expected),
        "gives other outputs after load_state_dict: a part of its state is missing there",
    )


def check_projection(subject: Subject, module: nn.Module) -> None:
    """
    :param subject: the part
    :param module: an instance, whose parameters are changed
    :raises AssertionError: if ``project_`` changes the shape of a weight
    """
    shapes = [parameter.shape for parameter in module.parameters()]
    disturb_(module)
    subject.require(
        [parameter.shape for parameter in module.parameters()] == shapes,
        "changes the shape of a weight in project_",
    )


@torch.no_grad()
def disturb_(module: nn.Module) -> None:
    """
    Change all weights as an optimiser does, then restore the constraint.

    :param module: to change in place
    """
    for parameter in module.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    project = getattr(module, "project_", None)
    if project is not None:
        project()


def check_rows(subject: Subject, full: Tensor, first: Tensor) -> None:
    """
    In evaluation the output for a sample does not depend on the other samples.

    :param subject: the part
    :param full: output for a batch, shape ``(..., batch, n)``
    :param first: output for its first sample alone, shape ``(..., 1, n)``
    """
    subject.require(
        same(full[..., :1, :], first),
        "mixes the samples of a batch in evaluation",
    )


def check_members(subject: Subject, module: nn.Module, call: Call) -> None:
    """
    Change the weights that one member's output depends on: no other member may change.

    :param subject: the part
    :param module: an instance with :data:`MEMBERS` members
    :param call: a pass in evaluation, shape ``(MEMBERS, batch, n)``
    """
    for member in range(MEMBERS):
        outputs = call(module)
        others = [index for index in range(MEMBERS) if index != member]
        with _changed_weights(module, outputs[member]):
            changed = call(module)
        subject.require(
            same(changed[others], outputs[others]),
            f"changes the outputs of other members with the weights of member {member}",
        )


@contextmanager
def _changed_weights(module: nn.Module, output: Tensor) -> Iterator[None]:
    weights = [parameter for parameter in module.parameters() if parameter.requires_grad]
    before = [weight.detach().clone() for weight in weights]
    grads: list[Tensor | None] = [None] * len(weights)
    if output.requires_grad and weights:
        grads = list(
            torch.autograd.grad(
                output, weights, grad_outputs=torch.randn_like(output), allow_unused=True
            )
        )
    with torch.no_grad():
        for weight, grad in zip(weights, grads, strict=True):
            if grad is not None:
                weight.add_(0.1 * (grad != 0))
    yield
    with torch.no_grad():
        for weight, value in zip(weights, before, strict=True):
            weight.copy_(value)


def check_inputs_of_members(subject: Subject, run: Callable[[Tensor], Tensor], x: Tensor) -> None:
    """
    Change the input of one member: no other member may change.

    :param subject: the part
    :param run: a pass that leaves no trace
    :param x: input, shape ``(MEMBERS, batch, n)``
    """
    other = x.clone()
    other[0] = 3 * other[0] + 1
    subject.require(
        same(run(other)[1:], run(x)[1:]),
        "changes the outputs of other members with the input of member 0",
    )
