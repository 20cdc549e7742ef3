"""The modern network: residual blocks as in the feed-forward part of a transformer."""

from torch import Tensor, nn

from sb3_scale.errors import check_at_least, check_depth
from sb3_scale.nn.activations import Activation, make_activation
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig


class ResidualBlock(nn.Module):
    """
    ``y = x + W2 activation(W1 norm(x) + b1) + b2``.

    :param width: of the residual branch
    :param inner_width: between the two linear layers
    :param n_members: size of the ensemble
    :param activation: between the two linear layers
    :param norm: in front of the first linear layer, or nothing
    """

    def __init__(
        self,
        width: int,
        inner_width: int,
        n_members: int,
        activation: Activation,
        norm: PartConfig | None,
    ) -> None:
        super().__init__()
        self.norm: nn.Module | None = None
        if norm is not None:
            self.norm = build("norm", norm, width, n_members)
        self.expand = EnsembleLinear(width, inner_width, n_members)
        self.activation = make_activation(activation)
        self.contract = EnsembleLinear(inner_width, width, n_members)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, width)``
        :param training: whether norms use the statistics of this batch
        :return: the same shape
        """
        branch = x if self.norm is None else self.norm(x, training)
        update: Tensor = self.contract(self.activation(self.expand(branch)))
        return x + update


class ModernNetwork(nn.Module):
    """
    A linear layer from the input to ``width``, then ``depth`` residual blocks.

    Source: Bjorck et al., "Towards Deeper Deep Reinforcement Learning with Spectral Normalization",
    2021, section 3.2 and appendix C. The paper has four blocks in the critic and two in the actor,
    no norm after the last block and no dropout.

    :param in_features: width of the input
    :param n_members: size of the ensemble
    :param width: of the residual branch
    :param depth: number of blocks
    :param inner_width: between the two linear layers of a block
    :param activation: between the two linear layers of a block
    :param norm: in front of each block, nothing if null
    """

    def __init__(
        self,
        in_features: int,
        n_members: int,
        width: int = 1024,
        depth: int = 4,
        inner_width: int = 2048,
        activation: Activation = "relu",
        norm: PartConfig | None = "layer",
    ) -> None:
        super().__init__()
        check_at_least(1, width=width, inner_width=inner_width)
        check_depth(0, depth)
        self.first = EnsembleLinear(in_features, width, n_members)
        self.blocks = nn.ModuleList(
            ResidualBlock(width, inner_width, n_members, activation, norm) for _ in range(depth)
        )
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
        return x
