"""What makes few features of the many that convolutions give."""

from torch import Tensor, nn, tanh

from sb3_scale.errors import check_at_least
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig


class Trunk(nn.Module):
    """
    ``tanh(norm(W x + b))``.

    :param in_features: width of the input
    :param n_members: size of the ensemble
    :param features: width of the output
    :param norm: after the linear layer, nothing if null
    :param squash: whether tanh comes last
    """

    def __init__(
        self,
        in_features: int,
        n_members: int,
        features: int,
        norm: PartConfig | None,
        squash: bool,
    ) -> None:
        super().__init__()
        check_at_least(1, features=features)
        self.linear = EnsembleLinear(in_features, features, n_members)
        self.norm: nn.Module | None = None
        if norm is not None:
            self.norm = build("norm", norm, features, n_members)
        self.squash = squash

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, in_features)``
        :param training: whether norms use the statistics of this batch
        :return: shape ``(n_members, batch, features)``
        """
        return self.finish(self.linear(x), training)

    def finish(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: what the linear layer gave, shape ``(n_members, batch, features)``
        :param training: whether norms use the statistics of this batch
        :return: the same shape
        """
        if self.norm is not None:
            x = self.norm(x, training)
        return tanh(x) if self.squash else x


class TrunkNetwork(nn.Module):
    """
    A narrow layer with norm and tanh, then another network.

    For an actor or critic that reads the convolutions of the extractor ``drq`` with ``trunk: own``.

    :param in_features: width of the input
    :param n_members: size of the ensemble
    :param features: width of the narrow layer
    :param norm: of the narrow layer, nothing if null
    :param squash: whether tanh follows
    :param network: what reads the narrow layer
    """

    def __init__(
        self,
        in_features: int,
        n_members: int,
        features: int = 50,
        norm: PartConfig | None = "layer",
        squash: bool = True,
        network: PartConfig = "mlp",
    ) -> None:
        super().__init__()
        self.trunk = Trunk(in_features, n_members, features, norm, squash)
        self.network = build("network", network, features, n_members)
        self.out_features: int = self.network.out_features

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, in_features)``
        :param training: whether norms use the statistics of this batch
        :return: shape ``(n_members, batch, out_features)``
        """
        y: Tensor = self.network(self.trunk(x, training), training)
        return y
