"""Losses of the critic: the mean over the batch, summed over the critics."""

from torch import Tensor, nn
from torch.nn import functional

from sb3_scale.errors import check_above


class MSELoss(nn.Module):
    """Mean squared Bellman error, the loss of SAC and TD3."""

    def __init__(self) -> None:
        super().__init__()

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """
        :param outputs: shape ``(n_critics, batch, n_outputs)``
        :param target: broadcastable to ``outputs``
        :return: ``sum_i mean_b (outputs[i] - target)^2``
        """
        return len(outputs) * functional.mse_loss(outputs, target.expand_as(outputs))


class HuberLoss(nn.Module):
    """
    Huber loss: ``0.5 d^2`` where ``|d| < delta``, else ``delta (|d| - 0.5 delta)``.

    :param delta: where the loss turns from quadratic to linear
    """

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
