"""Quantile regression."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from sb3_scale.errors import check_above


class QuantileHuberLoss(nn.Module):
    """
    Quantile Huber loss: each of the critic's ``n`` outputs is a quantile of the return.

    With ``d_ij = target_j - output_i`` and ``tau_i = (i + 0.5) / n`` it is the sum over i and the
    mean over j of ``|tau_i - 1(d_ij < 0)| huber_kappa(d_ij) / kappa``, mean over the batch, summed
    over the critics. Source: Dabney et al., "Distributional Reinforcement Learning with Quantile
    Regression", 2018, equation 10, with the division by kappa that Dabney et al., "Implicit
    Quantile Networks", 2018, equation 3, adds; Nauman et al. (BRO), 2024, use it with 100 quantiles
    and kappa 1.

    :param kappa: where the loss turns from quadratic to linear
    """

    def __init__(self, kappa: float = 1.0) -> None:
        super().__init__()
        check_above(0, kappa=kappa)
        self.kappa = kappa

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """
        :param outputs: quantiles, shape ``(n_critics, batch, n)``
        :param target: samples of the return, shape ``(batch, k)`` or ``(n_critics, batch, k)``
        :return: a scalar
        """
        _, batch, n = outputs.shape
        k = target.shape[-1]
        shape = (*outputs.shape, k)
        predicted, target = outputs.unsqueeze(-1).expand(shape), target.unsqueeze(-2).expand(shape)
        tau = (torch.arange(n, device=outputs.device, dtype=outputs.dtype) + 0.5) / n
        tau = tau.unsqueeze(-1)
        weight = torch.where(target < predicted, 1 - tau, tau)
        huber = functional.huber_loss(predicted, target, reduction="none", delta=self.kappa)
        return (weight * huber).sum() / (self.kappa * batch * k)
