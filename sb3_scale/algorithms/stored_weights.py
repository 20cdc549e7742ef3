"""Weights, optimisers and single tensors of a checkpoint, once they are loaded."""

import inspect
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
_SETTINGS = ("amsgrad", "differentiable", "maximize", "nesterov")
"""What changes an optimiser's steps, and no training changes."""


def check_weights(model: "ScaleAlgorithm", variables: Mapping[str, Any], where: str) -> None:
    """
    :param model: loaded
    :param variables: single tensors of the file
    :param where: it is, for the message
    :raises Sb3ScaleError: if a tensor is missing, has another shape than it must have, or holds
        what is no finite number, or an optimiser could not take a step
    """
    for name in model._get_torch_save_params()[1]:
        if name not in variables:
            raise Sb3ScaleError(f"{where} lacks '{name}' in {VARIABLES}")
        shape = th.Size([1] if name.startswith("log_") else [])
        _check_tensor(f"{where}: {name}", variables[name], shape)
        if variables[name].dtype is not th.float32:
            raise Sb3ScaleError(f"{where}: {name} is {variables[name].dtype}; allowed: float32")
    for name, value in model.policy.state_dict().items():
        _check_tensor(f"{where}: {name} in policy.pth", value, value.shape)
    for learner in model.learners:
        _check_optimizer(f"{where}: the optimizer of the {learner.name}", learner.optimizer)


def _check_tensor(what: str, value: Any, shape: th.Size) -> None:
    if not isinstance(value, th.Tensor) or value.shape != shape:
        found = tuple(value.shape) if isinstance(value, th.Tensor) else type(value).__name__
        raise Sb3ScaleError(f"{what} is {found}; allowed: a tensor of shape {tuple(shape)}")
    if not bool(value.isfinite().all()):
        raise Sb3ScaleError(f"{what} holds {_wrong(value)}; allowed: finite numbers")


def _wrong(value: th.Tensor) -> float:
    return float(value[~value.isfinite()].flatten()[0])


def _check_optimizer(what: str, optimizer: th.optim.Optimizer) -> None:
    for group in optimizer.param_groups:
        _check_group(what, optimizer, group)
        for parameter in group["params"]:
            state = optimizer.state.get(parameter, {})
            for key, value in state.items():
                if key in _MOMENTS:
                    _check_tensor(f"{what}: {key}", value, parameter.shape)
            if state and isinstance(optimizer, th.optim.Adam):
                _check_adam(what, state, group["amsgrad"])


def _check_group(what: str, optimizer: th.optim.Optimizer, group: Mapping[str, Any]) -> None:
    for key, default in optimizer.defaults.items():
        value = group.get(key)
        if _is_number(default) and not (_is_number(value) and _size(value) == _size(default)):
            allowed = "numbers" if _size(default) == 1 else f"{_size(default)} numbers"
            raise Sb3ScaleError(f"{what} has {key} {value!r}; allowed: {allowed}")
        if key in _SETTINGS and value != default:
            raise Sb3ScaleError(f"{what} has {key} {value!r}; allowed: {default!r}, as set")
    if type(optimizer).__module__.startswith("torch.optim"):
        # AdamW has a default that it does not take.
        known = inspect.signature(type(optimizer)).parameters
        values = {key: group[key] for key in optimizer.defaults if key in known}
        try:
            type(optimizer)([th.nn.Parameter(th.zeros(1))], **{**values, "lr": float(group["lr"])})
        except (AssertionError, RuntimeError, TypeError, ValueError) as error:
            raise Sb3ScaleError(f"{what} cannot be used: {error}") from None


def _check_adam(what: str, state: Mapping[str, Any], amsgrad: bool) -> None:
    needed = {"step", "exp_avg", "exp_avg_sq", *(("max_exp_avg_sq",) if amsgrad else ())}
    for key in sorted(needed - state.keys()):
        raise Sb3ScaleError(f"{what} lacks '{key}' of a parameter")
    if not _is_number(state["step"]) or state["step"] < 0:
        raise Sb3ScaleError(f"{what} has step {state['step']!r}; allowed: at least 0")
    if bool((state["exp_avg_sq"] < 0).any()):
        raise Sb3ScaleError(f"{what}: exp_avg_sq holds numbers below 0; allowed: at least 0")


def _size(value: Any) -> int:
    return len(value) if isinstance(value, (tuple, list)) else 1


def _is_number(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(map(_is_number, value))
    if isinstance(value, th.Tensor):
        return value.numel() == 1 and math.isfinite(value)
    return type(value) in (int, float) and math.isfinite(value)
