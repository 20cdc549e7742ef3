"""Activation functions by name."""

from typing import Literal

from torch import nn

Activation = Literal["relu", "tanh", "elu", "silu", "gelu", "leaky_relu"]

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "elu": nn.ELU,
    "silu": nn.SiLU,
    "gelu": nn.GELU,
    "leaky_relu": nn.LeakyReLU,
}
"""Their modules, by name."""


def make_activation(name: Activation) -> nn.Module:
    """
    :param name: its name in PyTorch, in lower case; ``silu`` is also known as swish
    :return: a new module
    """
    return ACTIVATIONS[name]()
