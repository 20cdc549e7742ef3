"""Squared Bellman errors that weigh over- and underestimation differently."""

import math

import torch
from torch import Tensor

from sb3_scale.errors import check_above
from sb3_scale.nn.base import CriticLoss

MEMORY = 10_000
"""Pairs over which the scale of Q and returns is averaged."""


def asymmetric_loss(outputs: Tensor, target: Tensor, alpha: float | Tensor) -> Tensor:
    """
    ``sum_i mean_b (alpha max(0, d)^2 + (1 - alpha) min(0, d)^2)`` with ``d = Q_i - y``.

    :param outputs: Q, shape ``(n_critics, batch, n_outputs)``
    :param target: y, broadcastable to ``outputs``
    :param alpha: weight of overestimation, a number or a tensor of shape ``()``
    :return: a scalar
    """
    difference = outputs - target
    weighted = torch.where(difference > 0, alpha * difference, (1 - alpha) * difference)
    return len(outputs) * (weighted * difference).mean()


class AsymmetricLoss(CriticLoss):
    """
    ``alpha max(0, d)^2 + (1 - alpha) min(0, d)^2`` with ``d = Q(s, a) - y``: the mean over the
    batch, summed over the critics.

    Near 1 the critic is pessimistic: it pays for values above their targets. 0.5 is half of the
    squared error. Source: Hui, 2022, section 3.4, with the best alpha per task in Table 3.1.

    :param alpha: weight of overestimation, between 0 and 1
    """

    def __init__(self, alpha: float = 0.7) -> None:
        super().__init__()
        check_alpha("alpha", alpha)
        self.alpha = alpha

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """
        :param outputs: shape ``(n_critics, batch, n_outputs)``
        :param target: broadcastable to ``outputs``
        :return: a scalar
        """
        return asymmetric_loss(outputs, target, self.alpha)


class AdaptiveAsymmetricLoss(CriticLoss):
    """
    The asymmetric loss with an alpha that follows the bias of Q.

    After each finished episode, with Q of its pairs under the present critic and their discounted
    returns G, ``bias = mean(Q - G) / sqrt(m)`` and ``logit(alpha) <- logit(alpha) + rate (pairs /
    1000) (bias - target_bias)``, kept within the bounds. ``m`` is the mean of ``(Q^2 + G^2) / 2``
    over the pairs before the episode, about the last 10,000, or of the first episode itself: a
    scale that does not know the episode, so that many small returns and a large one that make Q
    right on average cancel out, as long as alpha is off its bounds.
    So alpha rises as long as Q is above what the agent then earns, and falls where Q is below it,
    as the number of dropped quantiles does in Dorka et al., "Adaptively Calibrated Critic
    Estimates for Deep Reinforcement Learning", 2021.
    Hui, 2022, leaves finding alpha as future work (section 3.6). The bounds are the least and the
    largest alpha that is best for a task of its Table 3.1.

    :param initial: alpha at the start, by default between the bounds
    :param rate: change of logit(alpha) per 1000 pairs and unit of bias
    :param target_bias: the bias at which alpha rests
    :param minimum: lower bound of alpha
    :param maximum: upper bound of alpha
    """

    calibrated = True

    logit: Tensor
    mean_square: Tensor
    pairs: Tensor

    def __init__(
        self,
        initial: float = 0.7,
        rate: float = 0.3,
        target_bias: float = 0.5,
        minimum: float = 0.4,
        maximum: float = 0.9,
    ) -> None:
        super().__init__()
        for name, value in (("initial", initial), ("minimum", minimum), ("maximum", maximum)):
            check_alpha(name, value)
        if minimum >= maximum:
            raise ValueError(f"minimum is {minimum}; allowed: below maximum, {maximum}")
        if not minimum <= initial <= maximum:
            raise ValueError(
                f"initial is {initial}; allowed: from minimum, {minimum}, to maximum, {maximum}"
            )
        check_above(0, rate=rate)
        if not math.isfinite(target_bias):
            raise ValueError(f"target_bias is {target_bias}; allowed: finite numbers")
        self.rate = rate
        self.target_bias = target_bias
        self.bounds = _logit(minimum), _logit(maximum)
        # A buffer, so that checkpoints have it and a compiled or captured loss reads it anew.
        self.register_buffer("logit", torch.tensor(_logit(initial)))
        self.register_buffer("mean_square", torch.tensor(0.0))
        self.register_buffer("pairs", torch.tensor(0.0))

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """
        :param outputs: shape ``(n_critics, batch, n_outputs)``
        :param target: broadcastable to ``outputs``
        :return: a scalar
        """
        return asymmetric_loss(outputs, target, self.logit.sigmoid())

    @torch.no_grad()
    def calibrate(self, values: Tensor, returns: Tensor) -> dict[str, Tensor]:
        """
        :param values: Q of an episode's pairs, shape ``(t,)``
        :param returns: their discounted returns, shape ``(t,)``
        :return: alpha and the bias, to log
        """
        square = 0.5 * (values.square() + returns.square()).mean().to(self.mean_square)
        # The scale before this episode: one that it raised would hide how far a rare return is off.
        earlier = torch.where(self.mean_square > 0, self.mean_square, square)
        self.pairs.add_(len(values)).clamp_(max=MEMORY)
        self.mean_square.copy_(earlier.lerp(square, (len(values) / self.pairs).clamp(max=1.0)))
        scale = earlier.sqrt().clamp_min(torch.finfo(square.dtype).tiny)
        bias = (values - returns).mean() / scale
        step = self.rate * (len(values) / 1000) * (bias - self.target_bias)
        self.logit.add_(step).clamp_(*self.bounds)
        return {"alpha": self.logit.sigmoid(), "bias": bias}


def check_alpha(name: str, value: float) -> None:
    """
    :param name: of the parameter
    :param value: of the parameter
    :raises ValueError: if it is not between 0 and 1
    """
    if not 0 < value < 1:
        raise ValueError(f"{name} is {value}; allowed: between 0 and 1, both excluded")


def _logit(alpha: float) -> float:
    return math.log(alpha / (1 - alpha))
