"""Linear layers of an ensemble, as one batched matrix product."""

import math

import torch
from torch import Tensor, nn

from sb3_scale.memory import check_parameters


class EnsembleLinear(nn.Module):
    """
    ``n_members`` linear layers side by side: ``y[i] = x[i] @ weight[i] + bias[i]``.

    The weight is stored as (in, out), the transpose of ``torch.nn.Linear``: its gradient is then a
    matrix product in the layout of the parameter, without a copy. The initialisation is that of
    ``torch.nn.Linear``, and so that of Stable-Baselines3.

    :param in_features: width of the input
    :param out_features: width of the output
    :param n_members: size of the ensemble
    :param output: whether it gives the outputs of an actor or critic, or of one of several networks
        in it; constraints of hidden layers leave it alone
    :param bias: whether it has one
    :raises Sb3ScaleError: where a policy is made, if the memory does not hold it
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        n_members: int,
        output: bool = False,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.output = output
        self.in_features = in_features
        self.out_features = out_features
        self.n_members = n_members
        check_parameters(n_members * (in_features + bias) * out_features)
        self.weight = nn.Parameter(torch.empty(n_members, in_features, out_features))
        self.bias = nn.Parameter(torch.empty(n_members, 1, out_features)) if bias else None
        self.scale: nn.Module | None = None
        """
        Set by a constraint that divides the weight by something in the forward pass: maps the
        weight to a factor of shape ``(n_members, 1, 1)``.
        """
        bound = 1 / math.sqrt(in_features)
        nn.init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            nn.init.uniform_(self.bias, -bound, bound)

    def forward(self, x: Tensor) -> Tensor:
        """
        :param x: shape ``(n_members, batch, in_features)``
        :return: shape ``(n_members, batch, out_features)``
        """
        product = self._product(x)
        if self.bias is None:
            return product if self.scale is None else product * self.scale(self.weight)
        if self.scale is None:
            return product.add_(self.bias)
        return torch.addcmul(self.bias, product, self.scale(self.weight))

    def _product(self, x: Tensor) -> Tensor:
        # Not `baddbmm`, which copies the bias first and cannot be fused with what follows.
        if self.output and not x.is_meta and torch.is_autocast_enabled(x.device.type):
            # Rounded to 8 bits, Q hides what a rare reward adds, and how it depends on the action.
            with torch.autocast(x.device.type, enabled=False):
                return torch.bmm(x.to(self.weight.dtype), self.weight)
        # Where autocast rounds the product, everything after it is float32 again.
        return torch.bmm(x, self.weight).to(self.weight.dtype)

    def effective_weight(self) -> Tensor:
        """
        :return: the weight that the forward pass multiplies with, detached, shape
            ``(n_members, in_features, out_features)``
        """
        weight = self.weight.detach()
        return weight if self.scale is None else weight * self.scale(weight)

    def extra_repr(self) -> str:
        """Sizes for ``print(module)``."""
        return f"{self.in_features}, {self.out_features}, n_members={self.n_members}"


def linear_layers(module: nn.Module) -> list[EnsembleLinear]:
    """
    :param module: an actor, critic or network
    :return: its ensemble linear layers in the order of their definition, input first
    """
    return [layer for layer in module.modules() if isinstance(layer, EnsembleLinear)]


def orthogonal_(layer: EnsembleLinear, gain: float) -> None:
    """
    Initialise in place: orthogonal weights per member, biases zero.

    :param layer: a linear layer
    :param gain: of its weights
    """
    for member in layer.weight.data:
        nn.init.orthogonal_(member, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


@torch.no_grad()
def fold_scales(module: nn.Module) -> None:
    """
    Put what constraints do in the forward pass into the weights, so that they alone count.

    :param module: with linear layers, which is not trained on
    """
    for layer in linear_layers(module):
        layer.weight.copy_(layer.effective_weight())
        layer.scale = None
