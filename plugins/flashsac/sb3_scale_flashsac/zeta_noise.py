"""FlashSAC's exploration: noise that is kept for a random number of decisions."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from sb3_scale.errors import check_at_least, check_within
from sb3_scale.extending import extends
from sb3_scale.nn.actors import SquashedGaussianActor
from sb3_scale.nn.base import Explorer

MOST_REPEATS = 10_000
"""Decisions that noise may be kept for: an episode of any task here is shorter."""


class ZetaNoiseActor(SquashedGaussianActor, Explorer):
    """
    ``squashed-gaussian``, but in training each environment keeps its noise for some decisions.

    ``a = tanh(mu(s) + sigma(s) eps)``, where ``eps ~ N(0, 1)`` is drawn anew after n decisions, and
    n is drawn with it: ``P(n) ~ n^-exponent`` for n from 1 to ``max_repeat``. Losses and evaluation
    draw anew for each action. What is left of n and eps is part of a checkpoint. Source:
    Kim et al., "FlashSAC", 2026, arXiv 2604.04539, whose released code has one n for all.

    :param max_repeat: most decisions that noise is kept for, at most 10,000; with 1 it is
        ``squashed-gaussian``
    :param exponent: 0 for all numbers alike, large for mostly 1
    """

    chances: Tensor

    @extends(SquashedGaussianActor)
    def __init__(
        self, *args: Any, max_repeat: int = 16, exponent: float = 2.0, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        check_within(1, MOST_REPEATS, max_repeat=max_repeat)
        check_at_least(0, exponent=exponent)
        weights = torch.arange(1, max_repeat + 1, dtype=torch.float64) ** -exponent
        up_to = (weights.cumsum(dim=0) / weights.sum()).float()
        # A number above the last of these is in the last place.
        self.register_buffer("chances", up_to[:-1], persistent=False)
        self._kept = torch.empty(0, 0)

    def explore(self, features: Tensor) -> Tensor:
        """
        :param features: shape ``(n_envs, features_dim)``, the same environment in the same row
        :return: actions in (-1, 1), shape ``(n_envs, action_dim)``
        """
        mean, log_std = self.distribution(features)
        rows, n_actions = mean.shape
        kept = self._kept.to(mean)
        if kept.shape != (rows, n_actions + 1):
            kept = mean.new_zeros(rows, n_actions + 1)
        noise, left = kept[:, :-1], kept[:, -1:]
        over = left < 1
        noise = torch.where(over, torch.randn_like(mean), noise)
        drawn = 1 + torch.searchsorted(self.chances, torch.rand_like(left))
        left = torch.where(over, drawn, left) - 1
        self._kept = torch.cat((noise, left), dim=1)
        return torch.tanh(mean + log_std.exp() * noise)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> "ZetaNoiseActor":
        # It has as many rows as environments act, so that it is no buffer, and moves with them.
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        self._kept = fn(self._kept)
        return self

    def get_extra_state(self) -> Tensor:
        """
        :return: for a checkpoint, of each environment eps and the decisions that it is kept for
        """
        return self._kept

    def set_extra_state(self, state: Tensor) -> None:
        """
        :param state: of :meth:`get_extra_state`
        """
        self._kept = state
