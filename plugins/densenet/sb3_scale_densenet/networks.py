"""Three ways to connect the layers of a network."""

import torch
from torch import Tensor, nn

from sb3_scale.errors import check_at_least, check_depth
from sb3_scale.nn.activations import Activation
from sb3_scale.nn.layers import HiddenLayer
from sb3_scale.protocols import PartConfig


class DenseNet(nn.Module):
    """
    Each layer sees the input and the outputs of all layers before it, and so does what follows.

    ``y_i = activation(norm(W_i [y_0, ..., y_(i-1)] + b_i))`` with ``y_0`` the input; the output is
    ``[y_0, ..., y_depth]``. Source: Ota et al., "Training Larger Networks for Deep Reinforcement
    Learning", 2021, section 3.3, after Huang et al., 2017.

    :param in_features: width of the input
    :param n_members: size of the ensemble
    :param width: of each layer's own output
    :param depth: number of layers
    :param activation: of each layer; ``silu`` is the paper's swish
    :param norm: of each layer, nothing by default
    """

    def __init__(
        self,
        in_features: int,
        n_members: int,
        width: int = 256,
        depth: int = 2,
        activation: Activation = "silu",
        norm: PartConfig | None = None,
    ) -> None:
        super().__init__()
        check_at_least(1, width=width)
        check_depth(1, depth)
        inputs = [in_features + i * width for i in range(depth)]
        self.layers = _layers(inputs, width, n_members, activation, norm)
        self.out_features = in_features + depth * width

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, in_features)``
        :param training: whether norms use the statistics of this batch
        :return: shape ``(n_members, batch, in_features + depth * width)``
        """
        for layer in self.layers:
            x = torch.cat((x, layer(x, training)), dim=-1)
        return x


class ResNet(nn.Module):
    """
    Each layer after the first adds to its input: ``y_i = y_(i-1) + activation(norm(W_i y_(i-1) +
    b_i))``. The first brings the input to ``width`` and adds nothing.

    Source: Ota et al., 2021, section 4.2, after He et al., 2016.

    :param in_features: width of the input
    :param n_members: size of the ensemble
    :param width: of all layers
    :param depth: number of layers, the first included
    :param activation: of each layer; ``silu`` is the paper's swish
    :param norm: of each layer, nothing by default
    """

    def __init__(
        self,
        in_features: int,
        n_members: int,
        width: int = 256,
        depth: int = 2,
        activation: Activation = "silu",
        norm: PartConfig | None = None,
    ) -> None:
        super().__init__()
        check_at_least(1, width=width)
        check_depth(1, depth)
        inputs = [width if i else in_features for i in range(depth)]
        self.layers = _layers(inputs, width, n_members, activation, norm)
        self.out_features = width

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, in_features)``
        :param training: whether norms use the statistics of this batch
        :return: shape ``(n_members, batch, width)``
        """
        first, *others = self.layers
        x = first(x, training)
        for layer in others:
            x = x + layer(x, training)
        return x


class D2RL(nn.Module):
    """
    Each layer sees the output of the one before it and the input again:
    ``y_i = activation(norm(W_i [y_(i-1), x] + b_i))``. What follows the last layer does not.

    Source: Sinha et al., "D2RL: Deep Dense Architectures in Reinforcement Learning", 2020, which
    has four layers of 256 units with relu.

    :param in_features: width of the input
    :param n_members: size of the ensemble
    :param width: of all layers
    :param depth: number of layers
    :param activation: of each layer
    :param norm: of each layer, nothing by default
    """

    def __init__(
        self,
        in_features: int,
        n_members: int,
        width: int = 256,
        depth: int = 4,
        activation: Activation = "relu",
        norm: PartConfig | None = None,
    ) -> None:
        super().__init__()
        check_at_least(1, width=width)
        check_depth(1, depth)
        inputs = [in_features + (width if i else 0) for i in range(depth)]
        self.layers = _layers(inputs, width, n_members, activation, norm)
        self.out_features = width

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, in_features)``
        :param training: whether norms use the statistics of this batch
        :return: shape ``(n_members, batch, width)``
        """
        first, *others = self.layers
        y: Tensor = first(x, training)
        for layer in others:
            y = layer(torch.cat((y, x), dim=-1), training)
        return y


def _layers(
    inputs: list[int],
    width: int,
    n_members: int,
    activation: Activation,
    norm: PartConfig | None,
) -> nn.ModuleList:
    """Layers of one width, by what each reads."""
    return nn.ModuleList(HiddenLayer(size, width, n_members, activation, norm) for size in inputs)
