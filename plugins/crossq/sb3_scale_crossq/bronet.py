"""BroNet: residual blocks that end in a norm."""

from torch import Tensor, nn

from sb3_scale.nn.activations import Activation, make_activation
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig


class NormalizedLinear(nn.Module):
    """
    A linear layer with a norm behind it.

    :param in_features: width of the input
    :param out_features: width of the output
    :param n_members: size of the ensemble
    :param norm: the norm part, or nothing
    """

    def __init__(
        self, in_features: int, out_features: int, n_members: int, norm: PartConfig | None
    ) -> None:
        super().__init__()
        self.linear = EnsembleLinear(in_features, out_features, n_members)
        self.norm: nn.Module | None = None
        if norm is not None:
            self.norm = build("norm", norm, out_features, n_members)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, in_features)``
        :param training: whether norms use the statistics of this batch
        :return: shape ``(n_members, batch, out_features)``
        """
        x = self.linear(x)
        return x if self.norm is None else self.norm(x, training)


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
        self.inner = NormalizedLinear(width, width, n_members, norm)
        self.activation = make_activation(activation)
        self.outer = NormalizedLinear(width, width, n_members, norm)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, width)``
        :param training: whether norms use the statistics of this batch
        :return: the same shape
        """
        update: Tensor = self.outer(self.activation(self.inner(x, training)), training)
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
        if width < 1 or depth < 0:
            raise ValueError("width must be at least 1 and depth at least 0")
        self.first = NormalizedLinear(in_features, width, n_members, norm)
        self.blocks = nn.ModuleList(
            BroBlock(width, n_members, activation, norm) for _ in range(depth)
        )
        self.activation = make_activation(activation)
        self.out_features = width

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, in_features)``
        :param training: whether norms use the statistics of this batch
        :return: shape ``(n_members, batch, width)``
        """
        x = self.activation(self.first(x, training))
        for block in self.blocks:
            x = block(x, training)
        return x
