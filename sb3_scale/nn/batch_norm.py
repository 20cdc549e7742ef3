"""Batch normalisation for ensembles, with statistics per member."""

import torch
from torch import Tensor, nn

from sb3_scale.errors import check_above, check_at_least
from sb3_scale.nn.batch_normalize import BatchNormalize


class EnsembleBatchNorm(nn.Module):
    """
    Batch normalisation with statistics, a scale and a shift per member.

    ``y = (x - mean) / sqrt(var + eps) * weight + bias``, with mean and variance over the batch in
    training mode and their running averages otherwise. Source: Ioffe and Szegedy, "Batch
    Normalization", 2015, algorithm 1; CrossQ's values of ``momentum`` and ``eps``.

    A training pass without gradient, as that of a target critic, uses the statistics of its batch
    and leaves the running averages alone: whatever needs those is trained.

    :param num_features: width of the input
    :param n_members: size of the ensemble
    :param momentum: share of the batch in the running averages, 0.01 where JAX says 0.99
    :param eps: added to the variance
    :param affine: whether to learn the scale and the shift
    :param unbiased: whether the variance is divided by the batch size less one, as in sb3-contrib,
        or by the batch size, as in the authors' JAX code
    """

    batch_statistics = True

    weight: Tensor
    bias: Tensor
    running_mean: Tensor
    running_var: Tensor

    def __init__(
        self,
        num_features: int,
        n_members: int,
        momentum: float = 0.01,
        eps: float = 1e-3,
        affine: bool = True,
        unbiased: bool = False,
    ) -> None:
        super().__init__()
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum is {momentum}; allowed: above 0, at most 1")
        check_above(0, eps=eps)
        self.momentum = momentum
        self.eps = eps
        self.unbiased = unbiased
        shape = (n_members, 1, num_features)
        for name, value in (("weight", torch.ones(shape)), ("bias", torch.zeros(shape))):
            if affine:
                self.register_parameter(name, nn.Parameter(value))
            else:
                self.register_buffer(name, value, persistent=False)
        self.register_buffer("running_mean", torch.zeros(shape))
        self.register_buffer("running_var", torch.ones(shape))

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(n_members, batch, num_features)``
        :param training: whether to use the statistics of this batch
        :return: the same shape
        """
        if not training:
            scale = self.weight * torch.rsqrt(self.running_var + self.eps)
            return torch.addcmul(self.bias - self.running_mean * scale, x, scale)
        remember = torch.is_grad_enabled()
        with torch.no_grad():
            mean = x.mean(dim=1, keepdim=True)
            divisor = x.shape[1] - self.unbiased
            var = (x - mean).square().sum(dim=1, keepdim=True) / divisor
            r, d = self.corrections(mean, var)
            if remember:
                self.remember(mean, var)
        y: Tensor = BatchNormalize.apply(  # type: ignore[no-untyped-call]
            x, mean, var, divisor, self.weight, self.bias, r, d, self.eps
        )
        return y

    def remember(self, mean: Tensor, var: Tensor) -> None:
        """
        Move the running averages.

        :param mean: of the batch, shape ``(n_members, 1, num_features)``
        :param var: of the batch, the same shape
        """
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var, self.momentum)

    def corrections(self, mean: Tensor, var: Tensor) -> tuple[Tensor, Tensor]:
        """
        :param mean: of the batch, shape ``(n_members, 1, num_features)``
        :param var: of the batch, the same shape
        :return: r and d of batch renormalisation, which are 1 and 0 here
        """
        return torch.ones_like(var), torch.zeros_like(mean)


class EnsembleBatchRenorm(EnsembleBatchNorm):
    """
    Batch renormalisation: after a warm-up, batches are seen relative to the running statistics.

    ``r = clip(std / running_std, 1 / r_max, r_max)`` and
    ``d = clip((mean - running_mean) / running_std, -d_max, d_max)``, then
    ``y = (x - mean + d sqrt(var) / r) / sqrt(var / r^2 + eps) * weight + bias``. Source: Ioffe,
    "Batch Renormalization", 2017, algorithm 1, in the form of CrossQ's authors, who switch ``r``
    and ``d`` on at once where Ioffe relaxes their bounds.

    :param num_features: width of the input
    :param n_members: size of the ensemble
    :param momentum: share of the batch in the running averages, 0.01 where JAX says 0.99
    :param eps: added to the variance
    :param affine: whether to learn the scale and the shift
    :param unbiased: whether the variance is divided by the batch size less one, as in sb3-contrib,
        or by the batch size, as in the authors' JAX code
    :param warmup_steps: training passes that see plain batch normalisation
    :param r_max: bound of the scale correction
    :param d_max: bound of the shift correction
    """

    steps: Tensor

    def __init__(
        self,
        num_features: int,
        n_members: int,
        momentum: float = 0.01,
        eps: float = 1e-3,
        affine: bool = True,
        unbiased: bool = False,
        warmup_steps: int = 100_000,
        r_max: float = 3.0,
        d_max: float = 5.0,
    ) -> None:
        super().__init__(num_features, n_members, momentum, eps, affine, unbiased)
        check_at_least(1, r_max=r_max)
        check_at_least(0, d_max=d_max)
        self.warmup_steps = warmup_steps
        self.r_max = r_max
        self.d_max = d_max
        # A tensor, so that counting and comparing never wait for the device.
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def corrections(self, mean: Tensor, var: Tensor) -> tuple[Tensor, Tensor]:
        """
        :param mean: of the batch, shape ``(n_members, 1, num_features)``
        :param var: of the batch, the same shape
        :return: r and d, 1 and 0 during the warm-up
        """
        inverse = torch.rsqrt(self.running_var + self.eps)
        r = ((var + self.eps).sqrt() * inverse).clamp(1 / self.r_max, self.r_max)
        d = ((mean - self.running_mean) * inverse).clamp(-self.d_max, self.d_max)
        warm = self.steps > self.warmup_steps
        return torch.where(warm, r, 1.0), torch.where(warm, d, 0.0)

    def remember(self, mean: Tensor, var: Tensor) -> None:
        """
        Move the running averages and count the pass.

        :param mean: of the batch, shape ``(n_members, 1, num_features)``
        :param var: of the batch, the same shape
        """
        super().remember(mean, var)
        self.steps.add_(1)
