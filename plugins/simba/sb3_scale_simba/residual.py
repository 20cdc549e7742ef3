"""SimBa: residual blocks that begin with a norm."""

import math

from torch import Tensor, nn

from sb3_scale.errors import check_at_least, check_depth
from sb3_scale.nn.activations import make_activation
from sb3_scale.nn.linear import EnsembleLinear, orthogonal_
from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig

TRUNCATED = 0.8796256610342398
"""Standard deviation of a normal distribution of which all beyond two of its own is cut off."""


def he_normal_(layer: EnsembleLinear) -> None:
    """
    Initialise in place: normal weights of variance 2 / in_features, truncated at two standard
    deviations, and zeros as bias.

    :param layer: before a relu
    """
    std = math.sqrt(2 / layer.in_features) / TRUNCATED
    nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


class SimbaBlock(nn.Module):
    """
    ``x + W2 relu(W1 norm(x) + b1) + b2``.

    :param width: of input and output
    :param n_members: size of the ensemble
    :param expansion: width of the hidden layer relative to that
    :param norm: of the input
    """

    def __init__(self, width: int, n_members: int, expansion: int, norm: PartConfig) -> None:
        super().__init__()
        self.norm = build("norm", norm, width, n_members)
        self.inner = EnsembleLinear(width, expansion * width, n_members)
        self.activation = make_activation("relu")
        self.outer = EnsembleLinear(expansion * width, width, n_members)
        he_normal_(self.inner)
        he_normal_(self.outer)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, width)``
        :param training: whether norms use the statistics of this batch
        :return: the same shape
        """
        update: Tensor = self.outer(self.activation(self.inner(self.norm(x, training))))
        return x + update


class Simba(nn.Module):
    """
    ``x <- W x + b``, then ``depth`` residual blocks ``x <- x + W2 relu(W1 norm(x) + b1) + b2``,
    then a norm.

    Its layers begin as in the released code: orthogonal, and those of the blocks normal with He's
    variance; ``init: orthogonal-output`` of the actor or critic leaves them so. Source: Lee et al.,
    "SimBa: Simplicity Bias for Scaling Up Parameters in Deep Reinforcement Learning", ICLR 2025,
    with width 512 and two blocks in the critic, width 128 and one block in the actor.

    :param in_features: width of the input
    :param n_members: size of the ensemble
    :param width: of the features
    :param depth: number of blocks
    :param expansion: width of a block's hidden layer relative to that
    :param norm: at the start of each block, and at the end
    """

    def __init__(
        self,
        in_features: int,
        n_members: int,
        width: int = 512,
        depth: int = 2,
        expansion: int = 4,
        norm: PartConfig = "layer",
    ) -> None:
        super().__init__()
        check_at_least(1, width=width, expansion=expansion)
        check_depth(0, depth)
        self.first = EnsembleLinear(in_features, width, n_members)
        orthogonal_(self.first, gain=1.0)
        self.blocks = nn.ModuleList(
            SimbaBlock(width, n_members, expansion, norm) for _ in range(depth)
        )
        self.norm = build("norm", norm, width, n_members)
        self.out_features = width

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, in_features)``
        :param training: whether norms use the statistics of this batch
        :return: shape ``(n_members, batch, width)``
        """
        x = self.first(x)
        for block in self.blocks:
            x = block(x, training)
        y: Tensor = self.norm(x, training)
        return y
