"""Spectral normalisation by the power method."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from sb3_scale.nn.linear import EnsembleLinear


class _Factor(torch.autograd.Function):
    """``1 / (u^T W v)`` with constant u and v; the value is known since the last power iteration."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, u: Tensor, v: Tensor, factor: Tensor) -> Tensor:
        ctx.save_for_backward(u, v, factor)
        return factor.view_as(factor)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        u, v, factor = ctx.saved_tensors
        return u.mT * (v * (-grads[0] * factor.square())), None, None, None


class SpectralScale(nn.Module):
    """
    The factor ``1 / (u^T W v)`` of one ensemble layer, for its slot ``scale``.

    :param weight: of the layer, shape ``(n_members, in, out)``
    :param eps: weight of the old vector in a power iteration
    """

    u: Tensor
    v: Tensor
    factor: Tensor

    def __init__(self, weight: Tensor, eps: float) -> None:
        super().__init__()
        n_members, in_features, out_features = weight.shape
        self.eps = eps
        u = torch.randn(n_members, 1, in_features, dtype=weight.dtype, device=weight.device)
        self.register_buffer("u", nn.functional.normalize(u, dim=2))
        self.register_buffer("v", torch.zeros_like(weight[:, :1]))
        self.register_buffer("factor", torch.ones_like(weight[:, :1, :1]))

    def forward(self, weight: Tensor) -> Tensor:
        factor: Tensor = _Factor.apply(weight, self.u, self.v, self.factor)
        return factor

    @torch.no_grad()
    def iterate_(self, weight: Tensor, iterations: int) -> None:
        for _ in range(iterations):
            _step_(self.v, self.u, weight, self.eps)
            sigma = _step_(self.u, self.v, weight.mT, self.eps)
        torch.reciprocal(sigma, out=self.factor)


def _step_(vector: Tensor, other: Tensor, matrix: Tensor, eps: float) -> Tensor:
    image = torch.baddbmm(vector, other, matrix, beta=eps)
    norm = torch.linalg.vector_norm(image, dim=2, keepdim=True)
    torch.div(image, norm, out=vector)
    return norm


class SpectralConstraint:
    def __init__(
        self,
        layers: Sequence[EnsembleLinear],
        which: Literal["intermediate", "hidden", "all"] = "intermediate",
        power_iterations: int = 1,
        init_iterations: int = 50,
        eps: float = 1e-12,
    ) -> None:
        last = len(layers) if which == "all" else len(layers) - 1
        first = 1 if which == "intermediate" else 0
        self.layers = list(layers[first:last])
        self.power_iterations = power_iterations
        for layer in self.layers:
            layer.scale = SpectralScale(layer.weight, eps)
            layer.scale.iterate_(layer.weight, init_iterations)

    def project_(self) -> None:
        for layer in self.layers:
            layer.scale.iterate_(layer.weight, self.power_iterations)
