"""Losses of the critic: the mean over the batch, summed over the critics."""

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from sb3_scale.errors import check_above
from sb3_scale.nn.base import CriticLoss


class MSELoss(CriticLoss):
    """
    Mean squared Bellman error, the loss of SAC and TD3.

    SAC halves it: Haarnoja et al., "Soft Actor-Critic Algorithms and Applications", 2018,
    equation 5.
    """

    reads = ("scalar",)
    soft_weight: ClassVar[float] = 0.5

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """
        :param outputs: shape ``(n_critics, batch, n_outputs)``
        :param target: broadcastable to ``outputs``
        :return: ``sum_i mean_b (outputs[i] - target)^2``
        """
        return len(outputs) * functional.mse_loss(outputs, target.expand_as(outputs))


class HuberLoss(CriticLoss):
    """
    Huber loss: ``0.5 d^2`` where ``|d| < delta``, else ``delta (|d| - 0.5 delta)``.

    :param delta: where the loss turns from quadratic to linear
    """

    reads = ("scalar",)

    def __init__(self, delta: float = 1.0) -> None:
        super().__init__()
        check_above(0, delta=delta)
        self.delta = delta

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """
        :param outputs: shape ``(n_critics, batch, n_outputs)``
        :param target: broadcastable to ``outputs``
        :return: ``sum_i mean_b huber(outputs[i] - target)``
        """
        target = target.expand_as(outputs)
        return len(outputs) * functional.huber_loss(outputs, target, delta=self.delta)


class QuantileHuberLoss(CriticLoss):
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

    reads = ("scalar", "quantiles")

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


class CrossEntropyLoss(CriticLoss):
    """
    Cross-entropy between the target's probabilities and those of the outputs, which are logits.

    The mean over the batch, summed over the critics. Source: Bellemare et al., "A Distributional
    Perspective on Reinforcement Learning", 2017, algorithm 1.
    """

    reads = ("categorical",)

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """
        :param outputs: logits, shape ``(n_critics, batch, n)``
        :param target: probabilities, broadcastable to ``outputs``
        :return: ``sum_i mean_b -sum_k target_k log softmax(outputs[i])_k``
        """
        return -(target * functional.log_softmax(outputs, dim=-1)).sum() / outputs.shape[1]
