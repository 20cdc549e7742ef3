"""
How the members of a critic become one estimate, for the target and for the actor.

Deterministic algorithms (TD3, TD2, DDPG) take the first member for the actor, whatever the
reduction: Fujimoto et al., "Addressing Function Approximation Error in Actor-Critic Methods", 2018,
algorithm 1.
"""

from typing import ClassVar

import torch
from torch import Tensor

from sb3_scale.errors import check_at_least
from sb3_scale.nn.base import Part


class CriticReduction(Part):
    """
    Base of reductions. For the actor it is the mean over the members, and under TD3, TD2 and DDPG
    the first member, which no reduction changes.

    :param n_members: size of the ensemble
    """

    reads: ClassVar[tuple[str, ...] | None] = None
    """Kinds of outputs whose distributions it can combine, nothing for any."""

    def __init__(self, n_members: int) -> None:
        super().__init__()
        self.n_members = n_members

    def check(self, n_outputs: int) -> None:
        """
        Called when the critic is made, after which the number of outputs does not change.

        :param n_outputs: of each member
        :raises ValueError: if there are too few for it
        """

    def target(self, distributions: Tensor, means: Tensor) -> Tensor:
        """
        :param distributions: of the members, shape ``(m, b, n)``
        :param means: expected return of each, shape ``(m, b, 1)``
        :return: what the target is made of, shape ``(b, k)``, or ``(m, b, k)`` where each member
            has its own
        """
        raise NotImplementedError

    def actor(self, means: Tensor) -> Tensor:
        """
        :param means: expected return of each member, shape ``(m, b, 1)``
        :return: what the actor of a soft algorithm maximises, shape ``(b, 1)``
        """
        return means.mean(dim=0)


def least(distributions: Tensor, means: Tensor) -> Tensor:
    """
    The whole distribution of the member that has the least mean, chosen for each sample.

    :param distributions: shape ``(m, b, n)``
    :param means: shape ``(m, b, 1)``
    :return: shape ``(b, n)``
    """
    if distributions.shape[-1] == 1:
        return distributions.amin(dim=0)
    return distributions.take_along_dim(means.argmin(dim=0, keepdim=True), dim=0).squeeze(0)


class MinReduction(CriticReduction):
    """
    The least member, as clipped double Q-learning. The actor follows it too, and under TD3, TD2 and
    DDPG the first member.

    Where the outputs are a distribution, that of the member with the least mean is taken whole.
    Source: Fujimoto et al., "Addressing Function Approximation Error in Actor-Critic Methods",
    2018, equation 10.

    :param n_members: size of the ensemble
    """

    def target(self, distributions: Tensor, means: Tensor) -> Tensor:
        """
        :param distributions: shape ``(m, b, n)``
        :param means: shape ``(m, b, 1)``
        :return: shape ``(b, n)``
        """
        return least(distributions, means)

    def actor(self, means: Tensor) -> Tensor:
        """
        :param means: shape ``(m, b, 1)``
        :return: their minimum, shape ``(b, 1)``
        """
        return means.amin(dim=0)


class MeanReduction(CriticReduction):
    """
    The mean over the members: of values, of quantiles one by one, or of probabilities. The actor
    follows it too, and under TD3, TD2 and DDPG the first member.

    :param n_members: size of the ensemble
    """

    def target(self, distributions: Tensor, means: Tensor) -> Tensor:
        """
        :param distributions: shape ``(m, b, n)``
        :param means: shape ``(m, b, 1)``, not read
        :return: shape ``(b, n)``
        """
        return distributions.mean(dim=0)


class NoneReduction(CriticReduction):
    """
    Each member has a target of its own; the actor follows the mean over the members, and under TD3,
    TD2 and DDPG the first.

    :param n_members: size of the ensemble
    """

    def target(self, distributions: Tensor, means: Tensor) -> Tensor:
        """
        :param distributions: shape ``(m, b, n)``
        :param means: shape ``(m, b, 1)``, not read
        :return: the distributions
        """
        return distributions


class TruncatedReduction(CriticReduction):
    """
    The quantiles of all members pooled, without the greatest ones; TQC's target.

    The actor follows the mean over all quantiles of all members, and under TD3, TD2 and DDPG that
    of the first member. Source: Kuznetsov et al.,
    "Controlling Overestimation Bias with Truncated Mixture of Continuous Distributional Quantile
    Critics", 2020, equation 11.

    :param n_members: size of the ensemble
    :param drop_per_member: dropped quantiles divided by the number of members, less than each
        member has
    """

    reads = ("quantiles",)

    def __init__(self, n_members: int, drop_per_member: int = 2) -> None:
        super().__init__(n_members)
        check_at_least(0, drop_per_member=drop_per_member)
        self.drop_per_member = drop_per_member

    def check(self, n_outputs: int) -> None:
        """
        Called when the critic is made.

        :param n_outputs: quantiles of each member
        :raises ValueError: if none would be left
        """
        if self.drop_per_member >= n_outputs:
            raise ValueError(
                f"drop_per_member is {self.drop_per_member}, and there are {n_outputs} outputs per "
                f"member; allowed: 0 to {n_outputs - 1}"
            )

    def target(self, distributions: Tensor, means: Tensor) -> Tensor:
        """
        :param distributions: shape ``(m, b, n)``
        :param means: shape ``(m, b, 1)``, not read
        :return: the least quantiles in order, shape ``(b, m (n - drop_per_member))``
        """
        members, _, n = distributions.shape
        pooled = distributions.transpose(0, 1).flatten(1).sort(dim=1).values
        return pooled[:, : members * (n - self.drop_per_member)]


class SubsetReduction(CriticReduction):
    """
    The least of a few members, drawn anew in each gradient step for the whole batch; REDQ's target.

    The actor follows the mean over all members, and under TD3, TD2 and DDPG the first. Where the
    outputs are a distribution, that of the drawn member with the least mean is taken whole. Source:
    Chen et al., "Randomized Ensembled Double Q-Learning", 2021, algorithm 1.

    :param n_members: size of the ensemble
    :param size: members drawn, without replacement
    """

    def __init__(self, n_members: int, size: int = 2) -> None:
        super().__init__(n_members)
        if not 1 <= size <= n_members:
            raise ValueError(
                f"size is {size}, and there are {n_members} members; allowed: 1 to {n_members}"
            )
        self.size = size

    def target(self, distributions: Tensor, means: Tensor) -> Tensor:
        """
        :param distributions: shape ``(m, b, n)``
        :param means: shape ``(m, b, 1)``
        :return: shape ``(b, n)``
        """
        drawn = torch.rand(self.n_members, device=means.device).argsort()[: self.size]
        return least(distributions.index_select(0, drawn), means.index_select(0, drawn))
