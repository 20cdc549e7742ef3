"""What the outputs of a critic's member mean: numbers, quantiles or probabilities."""

import math
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional

from sb3_scale.errors import check_above, check_at_least
from sb3_scale.memory import check_parameters
from sb3_scale.nn.base import Part
from sb3_scale.protocols import PartConfig

Projection = Literal["c51", "two-hot", "hl-gauss"]
"""How a categorical target is made."""


def bellman(
    next_values: Tensor, rewards: Tensor, discounts: Tensor, entropy_term: Tensor | None
) -> Tensor:
    """
    :param next_values: of s' and a', broadcastable to shape ``(b, k)``, or ``(m, b, k)``
    :param rewards: shape ``(b, 1)``
    :param discounts: zero where an episode ends, shape ``(b, 1)``
    :param entropy_term: what to subtract from the next values, shape ``(b, 1)``
    :return: ``rewards + discounts (next_values - entropy_term)``
    """
    if entropy_term is not None:
        next_values = next_values - entropy_term
    return rewards + discounts * next_values


class CriticValue(Part):
    """
    Base of values; as it is, each of the outputs is a sample of the return.

    A value says what one member's outputs mean: their expectation, the distribution that a
    reduction combines, and the target that the loss compares outputs with.
    """

    outputs: ClassVar[str]
    """What the outputs are; a loss and a reduction say which they read."""

    n_outputs: int
    """Outputs per member."""

    loss: PartConfig
    """Loss that goes with it by default."""

    value_range: tuple[float, float] | None = None
    """Least and greatest value that it can express, where there are such bounds."""

    def distribution(self, outputs: Tensor) -> Tensor:
        """
        :param outputs: shape ``(m, b, n_outputs)``
        :return: what reductions combine, shape ``(m, b, n_outputs)``
        """
        return outputs

    def expectation(self, distribution: Tensor) -> Tensor:
        """
        :param distribution: or a target, shape ``(..., k)``
        :return: its mean, shape ``(..., 1)``
        """
        return distribution.mean(dim=-1, keepdim=True)

    def mean(self, outputs: Tensor) -> Tensor:
        """
        :param outputs: shape ``(m, b, n_outputs)``
        :return: expected return of each member, shape ``(m, b, 1)``
        """
        return self.expectation(self.distribution(outputs))

    def bootstrap(
        self,
        distribution: Tensor,
        rewards: Tensor,
        discounts: Tensor,
        entropy_term: Tensor | None,
    ) -> Tensor:
        """
        :param distribution: of s' and a', reduced, shape ``(b, k)`` or ``(m, b, k)``
        :param rewards: shape ``(b, 1)``
        :param discounts: zero where an episode ends, shape ``(b, 1)``
        :param entropy_term: what to subtract from the next values, shape ``(b, 1)``
        :return: the loss's target, of the distribution's shape
        """
        return bellman(distribution, rewards, discounts, entropy_term)

    def errors(self, outputs: Tensor, target: Tensor) -> Tensor:
        """
        :param outputs: shape ``(m, b, n_outputs)``
        :param target: from :meth:`bootstrap`
        :return: expected return minus that of the target, shape ``(m, b, 1)``
        """
        return self.mean(outputs) - self.expectation(target)


class ScalarValue(CriticValue):
    """One output per member, the expected return."""

    outputs = "scalar"
    n_outputs = 1
    loss = "mse"

    def expectation(self, distribution: Tensor) -> Tensor:
        """
        :param distribution: or a target, shape ``(..., k)``
        :return: itself where ``k`` is 1, else its mean, shape ``(..., 1)``
        """
        return distribution if distribution.shape[-1] == 1 else super().expectation(distribution)

    def mean(self, outputs: Tensor) -> Tensor:
        """
        :param outputs: shape ``(m, b, 1)``
        :return: the outputs
        """
        return outputs


class QuantileValue(CriticValue):
    """
    Each output is a quantile of the return, at ``tau_i = (i + 0.5) / n``; their mean is the value.

    Source: Dabney et al., "Distributional Reinforcement Learning with Quantile Regression", 2018,
    section 4; Nauman et al. (BRO), 2024, use 100 quantiles.

    :param n_quantiles: outputs per member
    """

    outputs = "quantiles"
    loss = "quantile"

    def __init__(self, n_quantiles: int = 100) -> None:
        super().__init__()
        check_at_least(1, n_quantiles=n_quantiles)
        self.n_outputs = n_quantiles


class CategoricalValue(CriticValue):
    """
    The outputs are logits of probabilities of evenly spaced returns, the atoms.

    The value is ``sum_i p_i z_i``. The target's probabilities come from one of three projections,
    with ``Tx = r + gamma (x - entropy term)``, clamped to the range of the atoms:

    - ``c51``: each next atom moves to ``T z_j`` and shares its probability between the two atoms
      beside it, in proportion to nearness. Bellemare et al., "A Distributional Perspective on
      Reinforcement Learning", 2017, algorithm 1.
    - ``two-hot``: ``y = T(mean of the next distribution)`` alone is shared that way. Schrittwieser
      et al. (MuZero), 2020, appendix F; Hafner et al. (DreamerV3), 2023.
    - ``hl-gauss``: probabilities of a normal distribution around ``y`` in bins centred on the
      atoms, normalised within the outermost bins' edges. Imani and White, "Improving Regression
      Performance with Distributional Losses", 2018; Farebrother et al., "Stop Regressing", 2024.

    The defaults of range and atoms are those of XQC (Palenicek et al., 2026) and SimbaV2 (Lee et
    al., 2025), which scale rewards so that returns stay about within it.

    :param v_min: the least atom
    :param v_max: the greatest atom
    :param n_atoms: outputs per member, at least 2
    :param projection: how the target's probabilities are made
    :param sigma: standard deviation of ``hl-gauss``, in widths of a bin; 0.75 is that of
        Farebrother et al., 2024
    """

    outputs = "categorical"
    loss = "cross-entropy"
    atoms: Tensor

    def __init__(
        self,
        v_min: float = -5.0,
        v_max: float = 5.0,
        n_atoms: int = 101,
        projection: Projection = "c51",
        sigma: float = 0.75,
    ) -> None:
        super().__init__()
        if not -math.inf < v_min < v_max < math.inf:
            raise ValueError(
                f"v_min is {v_min} and v_max is {v_max}; allowed: finite numbers, the first below "
                "the second"
            )
        check_at_least(2, n_atoms=n_atoms)
        check_above(0, sigma=sigma)
        self.n_outputs = n_atoms
        self.value_range = v_min, v_max
        self.projection = projection
        self.sigma = sigma
        self.width = (v_max - v_min) / (n_atoms - 1)
        check_parameters(n_atoms)
        self.register_buffer("atoms", torch.linspace(v_min, v_max, n_atoms), persistent=False)

    def distribution(self, outputs: Tensor) -> Tensor:
        """
        :param outputs: logits, shape ``(m, b, n_atoms)``
        :return: probabilities, of the same shape
        """
        return functional.softmax(outputs, dim=-1)

    def expectation(self, distribution: Tensor) -> Tensor:
        """
        :param distribution: probabilities, shape ``(..., n_atoms)``
        :return: ``sum_i p_i z_i``, shape ``(..., 1)``
        """
        # No matrix product, which a device may round to fewer digits.
        return (distribution * self.atoms).sum(dim=-1, keepdim=True)

    def bootstrap(
        self,
        distribution: Tensor,
        rewards: Tensor,
        discounts: Tensor,
        entropy_term: Tensor | None,
    ) -> Tensor:
        """
        :param distribution: of s' and a', reduced, shape ``(b, n_atoms)`` or ``(m, b, n_atoms)``
        :param rewards: shape ``(b, 1)``
        :param discounts: zero where an episode ends, shape ``(b, 1)``
        :param entropy_term: what to subtract from the next values, shape ``(b, 1)``
        :return: probabilities, of the distribution's shape
        """
        if self.projection == "c51":
            moved = bellman(self.atoms, rewards, discounts, entropy_term)
            return self._share(distribution, self._positions(moved))
        returns = bellman(self.expectation(distribution), rewards, discounts, entropy_term)
        positions = self._positions(returns)
        return self._two_hot(positions) if self.projection == "two-hot" else self._gauss(positions)

    def _positions(self, returns: Tensor) -> Tensor:
        """Returns in widths of a bin above the least atom, clamped to the range of the atoms."""
        return ((returns - self.atoms[0]) / self.width).clamp(0, self.n_outputs - 1)

    def _share(self, distribution: Tensor, positions: Tensor) -> Tensor:
        # The last pair of atoms also serves a position on the last atom; no index leaves the range,
        # whatever a diverged critic gives.
        lower = positions.long().clamp(0, self.n_outputs - 2)
        upper_share = distribution * (positions - lower)
        lower = lower.expand_as(distribution)
        shared = torch.zeros_like(distribution).scatter_add(-1, lower, distribution - upper_share)
        return shared.scatter_add(-1, lower + 1, upper_share)

    def _two_hot(self, positions: Tensor) -> Tensor:
        numbers = torch.arange(self.n_outputs, device=positions.device, dtype=positions.dtype)
        return (1 - (positions - numbers).abs()).clamp(min=0)

    def _gauss(self, positions: Tensor) -> Tensor:
        numbers = torch.arange(self.n_outputs + 1, device=positions.device, dtype=positions.dtype)
        below = torch.erf((numbers - 0.5 - positions) / (math.sqrt(2) * self.sigma))
        return below.diff(dim=-1) / (below[..., -1:] - below[..., :1])
