"""BroNet: residual blocks that end in a norm."""

from torch import Tensor, nn

from sb3_scale.errors import check_at_least, check_depth
from sb3_scale.nn.activations import Activation
from sb3_scale.nn.layers import HiddenLayer
from sb3_scale.protocols import PartConfig


class BroBlock(nn.Module):
    """
    ``x + norm(W2 activation(norm(W1 x + b1)) + b2)``.

    :param width: of the input and of all layers
    :param n_members: size of the ensemble
    :param activation: between the two linear layers
    :param norm: behind each linear layer, or nothing
    """

    def __init__(
        self, width: int, n_members: int, activation: Activation, norm: PartConfig | None
    ) -> None:
        super().__init__()
        self.inner = HiddenLayer(width, width, n_members, activation, norm)
        self.outer = HiddenLayer(width, width, n_members, None, norm)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, width)``
        :param training: whether norms use the statistics of this batch
        :return: the same shape
        """
        update: Tensor = self.outer(self.inner(x, training), training)
        return x + update


class BroNet(nn.Module):
    """
    ``x <- activation(norm(W x + b))``, then ``depth`` residual blocks
    ``x <- x + norm(W2 activation(norm(W1 x + b1)) + b2)``.

    Source: Nauman et al., "Bigger, Regularized, Optimistic", 2024, BroNet, in the order of their
    released code. The paper has width 512 and two blocks in the critic, width 256 and one block in
    the actor.

    :param in_features: width of the input
    :param n_members: size of the ensemble
    :param width: of all layers
    :param depth: number of blocks
    :param activation: behind the first layer and inside each block
    :param norm: behind each linear layer, nothing if null
    """

    def __init__(
        self,
        in_features: int,
        n_members: int,
        width: int = 512,
        depth: int = 2,
        activation: Activation = "relu",
        norm: PartConfig | None = "layer",
    ) -> None:
        super().__init__()
        check_at_least(1, width=width)
        check_depth(0, depth)
        self.first = HiddenLayer(in_features, width, n_members, activation, norm)
        self.blocks = nn.ModuleList(
            BroBlock(width, n_members, activation, norm) for _ in range(depth)
        )
        self.out_features = width

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, in_features)``
        :param training: whether norms use the statistics of this batch
        :return: shape ``(n_members, batch, width)``
        """
        x = self.first(x, training)
        for block in self.blocks:
            x = block(x, training)
        return x
