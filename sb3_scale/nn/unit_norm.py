"""Weight normalisation as a projection."""

import math
from collections.abc import Sequence
from typing import Literal

import torch
from torch import nn

from sb3_scale.nn.linear import EnsembleLinear


class UnitNormConstraint:
    """
    Keeps the weights of hidden layers on the unit sphere.

    With batch normalisation behind a layer its output does not depend on the scale of a neuron's
    weights, and the gradient is inversely proportional to that scale (Palenicek et al., 2025,
    theorems 4.1 and 4.2), so that fixed norms keep the effective learning rate constant. The
    paper's text normalises the weights of hidden layers; the authors' released code normalises
    weight and bias of a neuron together, and the weights of the output layer too.

    FlashSAC keeps the parameters of norms on a sphere too: scale and shift of a norm of d features
    together have norm sqrt(d), as at the start.

    :param layers: linear layers of one actor or critic, some of them outputs
    :param norms: scale and shift of each norm in it
    :param per: whether each output ``neuron`` has norm 1, or the whole weight ``matrix``
    :param bias: whether the bias counts as one more weight of its neuron; never in an output
        layer
    :param output_layer: whether output layers are normalised too
    :param norm_params: whether scale and shift of each norm are
    """

    def __init__(
        self,
        layers: Sequence[EnsembleLinear],
        norms: Sequence[Sequence[nn.Parameter]] = (),
        per: Literal["neuron", "matrix"] = "neuron",
        bias: bool = True,
        output_layer: bool = False,
        norm_params: bool = False,
    ) -> None:
        self.per = per
        self.bias = bias
        self.hidden = [layer for layer in layers if not layer.output]
        self.outputs = [layer for layer in layers if layer.output and output_layer]
        self.norms = list(norms) if norm_params else []
        if norm_params and not self.norms:
            raise ValueError(
                "norm_params is true, and no norm has a scale; allowed: networks with norms, such "
                "as {name: mlp, norm: batch}"
            )

    @torch.no_grad()
    def project_(self) -> None:
        """Divide each neuron's, or each matrix's, weights by their norm."""
        dims = 1 if self.per == "neuron" else (1, 2)
        for layer in self.hidden + self.outputs:
            total = layer.weight.square().sum(dim=dims, keepdim=True)
            with_bias = layer.bias if self.bias and not layer.output else None
            if with_bias is not None:
                square = with_bias.square()
                total += square if self.per == "neuron" else square.sum(dim=2, keepdim=True)
            inverse = torch.rsqrt(total)
            layer.weight.mul_(inverse)
            if with_bias is not None:
                with_bias.mul_(inverse)
        for parameters in self.norms:
            joined = torch.cat(list(parameters), dim=1)
            size = math.sqrt(joined.shape[2])
            inverse = size * torch.rsqrt(joined.square().sum(dim=(1, 2), keepdim=True))
            for parameter in parameters:
                parameter.mul_(inverse)
