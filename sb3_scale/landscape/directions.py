"""Random directions in the space of weights, with filter normalisation."""

import torch as th
from torch import nn

from sb3_scale.nn.linear import EnsembleLinear

Weights = dict[str, th.Tensor]


def weights(module: nn.Module) -> Weights:
    """
    :param module: a network
    :return: its parameters by name, without gradient
    """
    return {name: parameter.detach() for name, parameter in module.named_parameters()}


def random_direction(module: nn.Module, generator: th.Generator) -> Weights:
    """
    A Gaussian direction in which each filter, the weights into one output, has the norm of that
    filter in the network. Biases and the parameters of norms stay as they are.

    Source: Li et al., 2018, section 4.

    :param module: a network
    :param generator: of the random numbers
    :return: by the name of the parameter
    """
    inputs = _input_dimensions(module)
    found = {}
    for name, weight in weights(module).items():
        if name not in inputs:
            found[name] = th.zeros_like(weight)
            continue
        random = th.randn(weight.shape, generator=generator)
        dimensions = inputs[name]
        norm = weight.norm(dim=dimensions, keepdim=True)
        # A weight that is zero has no direction of its own to compare with.
        found[name] = random / random.norm(dim=dimensions, keepdim=True).clamp(min=1e-12) * norm
    return found


def _input_dimensions(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """Which dimensions of a weight belong to one filter, for the weights of all linear layers."""
    found: dict[str, tuple[int, ...]] = {}
    for path, layer in module.named_modules():
        name = f"{path}.weight" if path else "weight"
        if isinstance(layer, EnsembleLinear):
            found[name] = (1,)
        elif isinstance(layer, (nn.Linear, nn.Conv1d, nn.Conv2d)):
            found[name] = tuple(range(1, layer.weight.dim()))
    return found
