"""The hidden layer that networks are made of."""

from torch import Tensor, nn

from sb3_scale.nn.activations import Activation, make_activation
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig


class HiddenLayer(nn.Module):
    """
    ``activation(norm(W x + b))``.

    :param in_features: width of the input
    :param out_features: width of the output
    :param n_members: size of the ensemble
    :param activation: its name, or nothing
    :param norm: between the two, or nothing
    :param bias: whether there is a b
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        n_members: int,
        activation: Activation | None,
        norm: PartConfig | None,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.linear = EnsembleLinear(in_features, out_features, n_members, bias=bias)
        self.norm: nn.Module | None = None
        if norm is not None:
            self.norm = build("norm", norm, out_features, n_members)
        self.activation = nn.Identity() if activation is None else make_activation(activation)

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, in_features)``
        :param training: whether norms use the statistics of this batch
        :return: shape ``(n_members, batch, out_features)``
        """
        x = self.linear(x)
        if self.norm is not None:
            x = self.norm(x, training)
        y: Tensor = self.activation(x)
        return y
