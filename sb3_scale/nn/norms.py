"""Normalisation layers of an ensemble."""

import torch
from torch import Tensor, nn

from sb3_scale.errors import check_above
from sb3_scale.nn.batch_norm import EnsembleBatchNorm


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


class EnsembleRMSNorm(nn.Module):
    """
    Division by the root of the mean square, with a scale per member and no shift.

    ``y = x / sqrt(mean(x^2) + eps) * weight``, with the mean over the features. Source: Zhang and
    Sennrich, "Root Mean Square Layer Normalization", 2019.

    :param num_features: width of the input
    :param n_members: size of the ensemble
    :param eps: added to the mean square
    """

    def __init__(self, num_features: int, n_members: int, eps: float = 1e-6) -> None:
        super().__init__()
        check_above(0, eps=eps)
        self.num_features = num_features
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(n_members, 1, num_features))

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, num_features)``
        :param training: without effect, the mean square is that of each sample
        :return: the same shape
        """
        return nn.functional.rms_norm(x, (self.num_features,), eps=self.eps) * self.weight


def batch_norms(module: nn.Module) -> list[nn.Module]:
    """
    :param module: an actor, critic, extractor, network or policy
    :return: those norms in it that use the statistics of a batch in training
    """
    return [each for each in module.modules() if getattr(each, "batch_statistics", False)]


def norm_parameters(module: nn.Module) -> list[list[nn.Parameter]]:
    """
    :param module: an actor, critic or network
    :return: for each norm of this library in it, or derived from one, what it has of scale and
        shift, each of shape ``(n_members, 1, num_features)``
    """
    kinds = (EnsembleLayerNorm, EnsembleRMSNorm, EnsembleBatchNorm)
    norms = [each for each in module.modules() if isinstance(each, kinds)]
    found = [list(each.parameters(recurse=False)) for each in norms]
    return [parameters for parameters in found if parameters]
