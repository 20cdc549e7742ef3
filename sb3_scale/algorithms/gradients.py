"""Gradients of one part, and the scalars that come with them."""

from collections.abc import Sequence

import torch as th
from torch import nn

Figures = dict[str, th.Tensor]
"""Scalars to log by name, without gradient."""

Gradients = Sequence[th.Tensor | None]
"""One per parameter that an optimiser trains; nothing where the loss does not depend on it."""


def trained(module: nn.Module) -> list[th.Tensor]:
    """
    :param module: the actor or critic, with its ``optimizer``
    :return: the parameters that its optimiser trains
    """
    optimizer: th.optim.Optimizer = module.optimizer  # type: ignore[assignment]
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def gradients_of(loss: th.Tensor, module: nn.Module) -> Gradients:
    """
    Gradients of one part; no other part's are computed.

    :param loss: a scalar
    :param module: the actor or critic, with its ``optimizer``
    :return: one per parameter of :func:`trained`
    """
    return th.autograd.grad(loss, trained(module), allow_unused=True)


def weigh_gradient(outputs: th.Tensor, weights: th.Tensor) -> th.Tensor:
    """
    Weigh transitions in the gradient of any loss that averages over them, whatever its form.

    :param outputs: of the critic, ``(n_critics, b, n_outputs)``
    :param weights: ``(b, 1)``
    :return: the same values, through which the gradient of each transition is multiplied
    """
    fixed = outputs.detach()
    return fixed + weights * (outputs - fixed)


def descend(module: nn.Module, gradients: Gradients, max_norm: float | None = None) -> None:
    """
    Step the optimiser of one part and restore the constraint on its weights.

    :param module: the actor, critic or extractor, with its ``optimizer``
    :param gradients: one per parameter of :func:`trained`
    :param max_norm: norm that they are clipped to
    """
    parameters = trained(module)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    if max_norm is not None:
        # Kept for the diagnostic `gradient-norm`.
        module.unclipped_norm = nn.utils.clip_grad_norm_(parameters, max_norm)
    module.optimizer.step()  # type: ignore[operator, union-attr]
    module.project_()  # type: ignore[operator]
