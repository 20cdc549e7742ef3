"""SimbaV2: features and weights on the unit sphere, with learned scales between them."""

import math

import torch
from torch import Tensor, nn

from sb3_scale.errors import check_above, check_at_least, check_depth
from sb3_scale.nn.activations import make_activation
from sb3_scale.nn.linear import EnsembleLinear

EPS = 1e-8
"""Keeps a vector of zeros from being divided by its norm."""


def unit(x: Tensor) -> Tensor:
    """
    :param x: shape ``(..., n)``
    :return: the same with norm 1 along the last dimension
    """
    return nn.functional.normalize(x, dim=-1, eps=EPS)


class Scaler(nn.Module):
    """
    A learned factor per feature, ``y = x * weight * (initial / scale)``.

    The weight begins at ``scale`` and the factor at ``initial``: how fast a step of Adam changes
    the factor does not depend on where it begins.

    :param width: of the input
    :param n_members: size of the ensemble
    :param initial: factor at the start
    :param scale: weight at the start
    """

    def __init__(self, width: int, n_members: int, initial: float, scale: float) -> None:
        super().__init__()
        self.ratio = initial / scale
        self.weight = nn.Parameter(torch.full((n_members, 1, width), scale))

    def forward(self, x: Tensor) -> Tensor:
        """
        :param x: shape ``(n_members, batch, width)``
        :return: the same shape
        """
        return x * (self.weight * self.ratio)


class ScaledLinear(nn.Module):
    """
    A linear layer without bias, whose constraint is unit-norm, and a :class:`Scaler`.

    :param in_features: width of the input
    :param out_features: width of the output
    :param n_members: size of the ensemble
    :param scale: of the scaler, and its factor at the start
    """

    def __init__(self, in_features: int, out_features: int, n_members: int, scale: float) -> None:
        super().__init__()
        self.linear = EnsembleLinear(in_features, out_features, n_members, bias=False)
        self.scaler = Scaler(out_features, n_members, scale, scale)

    def forward(self, x: Tensor) -> Tensor:
        """
        :param x: shape ``(n_members, batch, in_features)``
        :return: shape ``(n_members, batch, out_features)``
        """
        y: Tensor = self.scaler(self.linear(x))
        return y


class LerpBlock(nn.Module):
    """
    ``h = unit(W2 (relu(s W1 x) + eps))``, then ``unit(x + a (h - x))`` with learned s and a.

    :param width: of input and output
    :param n_members: size of the ensemble
    :param expansion: width of the hidden layer relative to that
    :param initial: of a, the share of h in the output
    """

    def __init__(self, width: int, n_members: int, expansion: int, initial: float) -> None:
        super().__init__()
        scale = math.sqrt(2 / width / expansion)
        self.inner = ScaledLinear(width, expansion * width, n_members, scale)
        self.activation = make_activation("relu")
        self.outer = EnsembleLinear(expansion * width, width, n_members, bias=False)
        self.share = Scaler(width, n_members, initial, 1 / math.sqrt(width))

    def forward(self, x: Tensor) -> Tensor:
        """
        :param x: shape ``(n_members, batch, width)``
        :return: the same shape
        """
        target = unit(self.outer(self.activation(self.inner(x)) + EPS))
        return unit(x + self.share(target - x))


class SimbaV2(nn.Module):
    """
    ``x <- unit([x, shift])``, ``x <- unit(s W x)``, then ``depth`` blocks
    ``x <- unit(x + a (unit(W2 relu(s W1 x)) - x))``, and ``s W x`` as the first layer of a head.

    The constraint that belongs to it is ``{name: unit-norm, bias: false, output_layer: true}``, and
    the input's observations are normalised. Source: Lee et al., "Hyperspherical Normalization for
    Scalable Deep Reinforcement Learning", 2025, and their released code, which has width 512 and
    two blocks in the critic, width 128 and one block in the actor.

    :param in_features: width of the input
    :param n_members: size of the ensemble
    :param width: of the features
    :param depth: number of blocks
    :param expansion: width of a block's hidden layer relative to that
    :param shift: number that is appended to the input, so that its size is not lost
    :param head: whether the first layer of a head comes last; without it the heads of an actor do
    """

    def __init__(
        self,
        in_features: int,
        n_members: int,
        width: int = 512,
        depth: int = 2,
        expansion: int = 4,
        shift: float = 3.0,
        head: bool = True,
    ) -> None:
        super().__init__()
        check_at_least(1, width=width, expansion=expansion)
        check_above(0, shift=shift)
        check_depth(0, depth)
        self.shift = shift
        self.embed = ScaledLinear(in_features + 1, width, n_members, math.sqrt(2 / width))
        self.blocks = nn.ModuleList(
            LerpBlock(width, n_members, expansion, 1 / (depth + 1)) for _ in range(depth)
        )
        self.head = SimbaV2Head(width, n_members) if head else None
        self.out_features = width

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, in_features)``
        :param training: without effect
        :return: shape ``(n_members, batch, width)``
        """
        x = unit(nn.functional.pad(x, (0, 1), value=self.shift))
        x = unit(self.embed(x))
        for block in self.blocks:
            x = block(x)
        return x if self.head is None else self.head(x)


class SimbaV2Head(ScaledLinear):
    """
    ``s W x``, the first layer of a head, with s beginning at 1.

    :param in_features: width of the input and of the output
    :param n_members: size of the ensemble
    """

    def __init__(self, in_features: int, n_members: int) -> None:
        super().__init__(in_features, in_features, n_members, 1.0)
        self.out_features = in_features

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, in_features)``
        :param training: without effect
        :return: the same shape
        """
        return super().forward(x)
