"""
The power method on a block of vectors, for all layers of a network together.

Shapes: ``m`` members, weights ``(m, in, out)``, blocks of ``k`` row vectors ``(m, k, out)``. The
small ``(k, k)`` matrices of all layers are joined in one tensor, so that a GPU gets few launches,
and no result is read on the host.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

SHIFT = 1e-5
"""Added to the diagonal of a Gram matrix, above its rounding error, so that Cholesky succeeds."""

KEPT = 1e-12
"""Share of the old block in the new one: it keeps directions where a weight is zero."""


class _Factor(torch.autograd.Function):
    """``1 / (u^T W v)`` with u and v constant; the last power iteration knows the value."""

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
    ``1 / (u^T W v)`` for the slot ``scale`` of one ensemble layer.

    Its buffers follow the weight when :func:`iterate_` is called, and are saved with the layer.

    :param weight: of the layer, shape ``(m, in, out)``
    :param n_vectors: size k of the block
    """

    block: Tensor
    """Unit vectors near the leading right singular vectors, ``(m, k, out)``."""
    u: Tensor
    """Left singular vector, ``(m, 1, in)``."""
    v: Tensor
    """Right singular vector, ``(m, 1, out)``."""
    factor: Tensor
    """``1 / (u^T W v)``, ``(m, 1, 1)``."""

    def __init__(self, weight: Tensor, n_vectors: int) -> None:
        super().__init__()
        n_members, in_features, out_features = weight.shape
        block = weight.new_empty(n_members, n_vectors, out_features).normal_()
        self.register_buffer("block", nn.functional.normalize(block, dim=2))
        self.register_buffer("u", weight.new_zeros(n_members, 1, in_features))
        self.register_buffer("v", weight.new_zeros(n_members, 1, out_features))
        self.register_buffer("factor", weight.new_ones(n_members, 1, 1))

    def forward(self, weight: Tensor) -> Tensor:
        """
        :param weight: of the layer, as it was at the last :func:`iterate_`
        :return: ``1 / (u^T W v)``, whose gradient is ``-u v^T / (u^T W v)^2``, shape ``(m, 1, 1)``
        """
        factor: Tensor = _Factor.apply(weight, self.u, self.v, self.factor)  # type: ignore[no-untyped-call]
        return factor


@torch.no_grad()
def iterate_(
    scales: Sequence[SpectralScale], weights: Sequence[Tensor], iterations: int, eps: float
) -> None:
    """
    Move the blocks by ``V <- normalise(W^T orth(W V))`` and set u, v and the factor.

    :param scales: one per layer
    :param weights: of the same layers, ``(m, in, out)`` each
    :param iterations: number of power iterations
    :param eps: lower bound of ``u^T W v``
    """
    for _ in range(iterations):
        left = orthonormal_rows(
            [torch.bmm(scale.block, w.mT) for scale, w in zip(scales, weights, strict=True)]
        )
        right = [
            torch.baddbmm(scale.block, rows, w, beta=KEPT)
            for scale, rows, w in zip(scales, left, weights, strict=True)
        ]
        grams = torch.cat([torch.bmm(rows, rows.mT) for rows in right])
        norms = grams.diagonal(dim1=1, dim2=2).sqrt().unsqueeze(2).chunk(len(scales))
        for scale, rows, norm in zip(scales, right, norms, strict=True):
            torch.div(rows, norm, out=scale.block)
    mix = leading_vectors(grams)
    sigma = torch.bmm(torch.bmm(mix, grams), mix.mT).sqrt().clamp(min=eps)
    to_u, to_v = mix.chunk(len(scales)), (mix / sigma).chunk(len(scales))
    for i, factor in enumerate(sigma.reciprocal().chunk(len(scales))):
        torch.bmm(to_u[i], left[i], out=scales[i].u)
        torch.bmm(to_v[i], right[i], out=scales[i].v)
        scales[i].factor.copy_(factor)


def orthonormal_rows(blocks: Sequence[Tensor]) -> list[Tensor]:
    """
    Gram-Schmidt by a Cholesky factor, which needs no host sync where QR and SVD do.

    :param blocks: one per layer, ``(m, k, n)`` with any n
    :return: orthonormal rows with the same span; where rows depend on each other, shorter ones
    """
    grams = torch.cat([torch.bmm(rows, rows.mT) for rows in blocks])
    tiny = torch.finfo(grams.dtype).tiny
    inverse_norms = grams.diagonal(dim1=1, dim2=2).clamp(min=tiny).rsqrt()
    cosines = grams * inverse_norms.unsqueeze(2) * inverse_norms.unsqueeze(1)
    cosines.diagonal(dim1=1, dim2=2).add_(SHIFT)
    lower = torch.linalg.cholesky_ex(cosines).L
    mixes = torch.linalg.solve_triangular(lower, torch.diag_embed(inverse_norms), upper=False)
    pairs = zip(mixes.chunk(len(blocks)), blocks, strict=True)
    return [torch.bmm(mix, rows) for mix, rows in pairs]


def leading_vectors(grams: Tensor) -> Tensor:
    """
    Of ``G^4096``, take the row with the largest diagonal element. Its Rayleigh quotient is at least
    ``k^(-1/4096)`` of the largest eigenvalue, also where eigenvalues are close: for k = 8, 0.05%
    below.

    :param grams: symmetric positive matrices G, shape ``(n, k, k)``
    :return: near the eigenvector of the largest eigenvalue of each, unit length, ``(n, 1, k)``
    """
    power = _unit_trace(grams)
    for _ in range(3):
        power = _unit_trace(torch.linalg.matrix_power(power, 16))
    best = power.diagonal(dim1=1, dim2=2).argmax(1)
    return nn.functional.normalize(power.take_along_dim(best[:, None, None], dim=1), dim=2)


def _unit_trace(grams: Tensor) -> Tensor:
    return grams / grams.diagonal(dim1=1, dim2=2).sum(1)[:, None, None]
