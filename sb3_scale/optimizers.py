"""
Optimisers by name. Each is a function of the module, so that it can tell the layers apart.
"""

import torch
from torch import nn

from sb3_scale.errors import Sb3ScaleError, check_at_least, shown, suggestion
from sb3_scale.nn.linear import linear_layers

DECAY_GROUPS = ("hidden", "output", "bias", "other")


def adam(
    module: nn.Module, lr: float, betas: list[float] | None = None, eps: float = 1e-8
) -> torch.optim.Optimizer:
    """
    Adam (Kingma and Ba, 2015), the optimiser of Stable-Baselines3.

    :param module: whose parameters to optimise
    :param lr: learning rate at the start
    :param betas: decay of the first and second moment, 0.9 and 0.999 by default
    :param eps: added to the denominator
    :return: the fused implementation of PyTorch
    """
    check_at_least(0, lr=lr, eps=eps)
    return torch.optim.Adam(module.parameters(), lr, _betas(betas), eps, fused=True)


def adamw(
    module: nn.Module,
    lr: float,
    betas: list[float] | None = None,
    eps: float = 1e-8,
    weight_decay: float | dict[str, float] = 0.01,
) -> torch.optim.Optimizer:
    """
    Adam with decoupled weight decay (Loshchilov and Hutter, 2019).

    :param module: whose parameters to optimise
    :param lr: learning rate at the start
    :param betas: decay of the first and second moment, 0.9 and 0.999 by default
    :param eps: added to the denominator
    :param weight_decay: of all parameters, or a mapping with the keys ``hidden`` (weights of linear
        layers), ``output`` (weights of linear layers that give outputs, of each of the networks
        where an actor has several), ``bias`` (of all linear layers) and ``other`` (norms and the
        rest), 0 where a key is missing
    :return: the fused implementation of PyTorch
    :raises Sb3ScaleError: if a key of ``weight_decay`` is unknown
    """
    check_at_least(0, lr=lr, eps=eps)
    if isinstance(weight_decay, dict):
        groups = _decay_groups(module, weight_decay)
        check_at_least(0, **weight_decay)
    else:
        check_at_least(0, weight_decay=weight_decay)
        groups = [{"params": list(module.parameters()), "weight_decay": weight_decay}]
    return torch.optim.AdamW(groups, lr, _betas(betas), eps, fused=True)


def _decay_groups(module: nn.Module, decay: dict[str, float]) -> list[dict[str, object]]:
    for key in decay:
        if key not in DECAY_GROUPS:
            raise Sb3ScaleError(
                f"optimizer 'adamw': weight_decay has the key {shown(key)}"
                + suggestion(key, DECAY_GROUPS)
            )
    layers = linear_layers(module)
    hidden = [layer.weight for layer in layers if not layer.output]
    output = [layer.weight for layer in layers if layer.output]
    biases = [layer.bias for layer in layers if layer.bias is not None]
    taken = {id(parameter) for parameter in hidden + output + biases}
    other = [parameter for parameter in module.parameters() if id(parameter) not in taken]
    groups = {"hidden": hidden, "output": output, "bias": biases, "other": other}
    return [
        {"params": groups[key], "weight_decay": decay.get(key, 0.0)}
        for key in DECAY_GROUPS
        if groups[key]
    ]


def _betas(betas: list[float] | None) -> tuple[float, float]:
    if betas is None:
        return 0.9, 0.999
    if len(betas) != 2 or not all(0 <= beta < 1 for beta in betas):
        raise ValueError(f"betas is {shown(betas)}; allowed: two numbers, at least 0 and below 1")
    first, second = betas
    return first, second
