"""Normalisation layers of an ensemble."""

import torch
from torch import Tensor, nn


class EnsembleLayerNorm(nn.Module):
    """
    Layer normalisation with a scale and a shift per member.

    ``y = (x - mean(x)) / sqrt(var(x) + eps) * weight + bias``, with mean and biased variance over
    the features. Source: Ba et al., "Layer Normalization", 2016.

    :param num_features: width of the input
    :param n_members: size of the ensemble
    :param eps: added to the variance
    :param affine: whether to learn the scale and the shift
    """

    def __init__(
        self, num_features: int, n_members: int, eps: float = 1e-5, affine: bool = True
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.weight: nn.Parameter | None = None
        self.bias: nn.Parameter | None = None
        if affine:
            self.weight = nn.Parameter(torch.ones(n_members, 1, num_features))
            self.bias = nn.Parameter(torch.zeros(n_members, 1, num_features))

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, num_features)``
        :param training: without effect, the statistics are those of each sample
        :return: the same shape
        """
        x = self.standardize(x)
        if self.weight is None or self.bias is None:
            return x
        return torch.addcmul(self.bias, x, self.weight)

    def standardize(self, x: Tensor) -> Tensor:
        """
        :param x: shape ``(n_members, batch, num_features)``
        :return: the same shape, with mean 0 and variance 1 within each sample
        """
        return nn.functional.layer_norm(x, (self.num_features,), eps=self.eps)
