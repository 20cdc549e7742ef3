"""Weight normalisation as a projection."""

from collections.abc import Sequence
from typing import Literal

import torch

from sb3_scale.nn.linear import EnsembleLinear


class UnitNormConstraint:
    """
    Keeps the weights of hidden layers on the unit sphere.

    With batch normalisation behind a layer its output does not depend on the scale of a neuron's
    weights, and the gradient is inversely proportional to that scale (Palenicek et al., 2025,
    theorems 4.1 and 4.2), so that fixed norms keep the effective learning rate constant. The
    paper's text normalises the weights of hidden layers; the authors' released code normalises
    weight and bias of a neuron together, and the weights of the output layer too.

    :param layers: linear layers of one actor or critic, input first, output last
    :param per: whether each output ``neuron`` has norm 1, or the whole weight ``matrix``
    :param bias: whether the bias counts as one more weight of its neuron; never in the output
        layer
    :param output_layer: whether the output layer is normalised too
    """

    def __init__(
        self,
        layers: Sequence[EnsembleLinear],
        per: Literal["neuron", "matrix"] = "neuron",
        bias: bool = True,
        output_layer: bool = False,
    ) -> None:
        self.per = per
        self.bias = bias
        self.hidden = list(layers[:-1])
        self.output = list(layers[-1:]) if output_layer else []

    @torch.no_grad()
    def project_(self) -> None:
        """Divide each neuron's, or each matrix's, weights by their norm."""
        dims = 1 if self.per == "neuron" else (1, 2)
        for layer in self.hidden + self.output:
            total = layer.weight.square().sum(dim=dims, keepdim=True)
            with_bias = self.bias and layer not in self.output
            if with_bias:
                square = layer.bias.square()
                total += square if self.per == "neuron" else square.sum(dim=2, keepdim=True)
            inverse = torch.rsqrt(total)
            layer.weight.mul_(inverse)
            if with_bias:
                layer.bias.mul_(inverse)
