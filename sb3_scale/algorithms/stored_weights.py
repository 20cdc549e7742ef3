"""Weights, optimisers and single tensors of a checkpoint, once they are loaded."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch as th

from sb3_scale.errors import Sb3ScaleError

if TYPE_CHECKING:
    from sb3_scale.algorithms.base import ScaleAlgorithm

VARIABLES = "pytorch_variables.pth"
"""File of a checkpoint for single tensors, such as the temperature."""

_MOMENTS = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer")
"""What the optimisers of PyTorch keep in the shape of a parameter."""


def check_weights(model: "ScaleAlgorithm", variables: Mapping[str, Any], where: str) -> None:
    """
    :param model: loaded
    :param variables: single tensors of the file
    :param where: it is, for the message
    :raises Sb3ScaleError: if a tensor is missing, has another shape than it must have, or holds
        what is no number
    """
    for name in model._get_torch_save_params()[1]:
        if name not in variables:
            raise Sb3ScaleError(f"{where} lacks '{name}' in {VARIABLES}")
        shape = th.Size([1] if name.startswith("log_") else [])
        _check_tensor(f"{where}: {name}", variables[name], shape)
    for name, value in model.policy.state_dict().items():
        _check_tensor(f"{where}: {name} in policy.pth", value, value.shape)
    for learner in model.learners:
        _check_optimizer(f"{where}: the optimizer of the {learner.name}", learner.optimizer)


def _check_tensor(what: str, value: Any, shape: th.Size) -> None:
    if not isinstance(value, th.Tensor) or value.shape != shape:
        found = tuple(value.shape) if isinstance(value, th.Tensor) else type(value).__name__
        raise Sb3ScaleError(f"{what} is {found}; allowed: a tensor of shape {tuple(shape)}")
    if value.is_floating_point() and bool(value.isnan().any()):
        raise Sb3ScaleError(f"{what} holds nan; allowed: numbers")


def _check_optimizer(what: str, optimizer: th.optim.Optimizer) -> None:
    numbers = {key for key, default in optimizer.defaults.items() if _is_number(default)}
    for group in optimizer.param_groups:
        for key in numbers:
            if not _is_number(group.get(key)):
                raise Sb3ScaleError(f"{what} has {key} {group.get(key)!r}; allowed: numbers")
        for parameter in group["params"]:
            for key, value in optimizer.state.get(parameter, {}).items():
                if key in _MOMENTS:
                    _check_tensor(f"{what}: {key}", value, parameter.shape)


def _is_number(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_number, value))
    if isinstance(value, th.Tensor):
        return value.numel() == 1 and math.isfinite(value)
    return type(value) in (int, float) and math.isfinite(value)
