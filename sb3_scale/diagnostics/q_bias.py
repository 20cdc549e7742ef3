"""Bias of the critic against returns of the present policy."""

import math

import numpy as np
import torch as th

from sb3_scale.collection.episodes import FloatArray, discounted_returns
from sb3_scale.diagnostics.episodes import EpisodeDiagnostic
from sb3_scale.diagnostics.rollouts import Episode
from sb3_scale.errors import Sb3ScaleError, check_above, check_at_least

TAIL = 0.05
"""Weight ``gamma^horizon`` of what comes after the horizon."""


class QBias(EpisodeDiagnostic):
    """
    Normalised bias of Q against Monte-Carlo returns of the present policy in an environment of its
    own.

    ``mean`` and ``std`` are those of ``(Q - G) / max(|mean G|, min_return)`` over state-action
    pairs, the normalised bias of Chen et al., "Randomized Ensembled Double Q-Learning", 2021,
    section 3. ``pair_mean`` and ``pair_std`` are those of ``(Q - G) / max(|G|, min_return)``, each
    pair by its own return. ``return`` is the mean of G. TensorBoard gets a histogram of the bias by
    the mean return, too.

    As in the authors' code Q is the mean over the critics, a stochastic actor samples, G has the
    entropy of the later actions where the critic's target has it, and the first pairs of each
    episode count. Rewards are normalised where the critic learns from
    normalised ones. Nothing is bootstrapped. Of an episode that is cut, by a time limit or after
    ``n_pairs + horizon - 1`` steps, the pairs with at least ``horizon`` rewards count, or the first
    pair alone where there are fewer.

    :param interval: environment steps (decisions) from one measurement to the next
    :param n_episodes: episodes per measurement
    :param n_pairs: largest number of state-action pairs of one episode
    :param horizon: rewards in the return of a pair whose episode is cut; by default as many as
        make ``gamma^horizon`` at most 0.05, 299 for 0.99
    :param min_return: lower bound of the divisor, in units of the return; the paper has none, its
        released code 10, which shrinks the bias where returns are smaller
    """

    key = "q_bias"

    def __init__(
        self,
        interval: int = 25_000,
        n_episodes: int = 3,
        n_pairs: int = 350,
        horizon: int | None = None,
        min_return: float = 0.01,
    ) -> None:
        super().__init__(interval)
        numbers = {"n_episodes": n_episodes, "n_pairs": n_pairs, "horizon": horizon}
        check_at_least(1, **{name: value for name, value in numbers.items() if value is not None})
        check_above(0, min_return=min_return)
        self.n_episodes = n_episodes
        self.n_pairs = n_pairs
        self.horizon = horizon
        self.min_return = min_return

    def _on_training_start(self) -> None:
        super()._on_training_start()
        self._horizon = self.horizon or default_horizon(self.model.gamma)

    def measure(self) -> None:
        """Play the episodes and log the bias."""
        episodes = self.play(self.n_episodes, self.n_pairs + self._horizon - 1)
        pairs = [self._values_and_returns(played) for played in episodes]
        values, returns = (np.concatenate(arrays) for arrays in zip(*pairs, strict=True))
        bias = values - returns
        by_mean = bias / max(abs(returns.mean()), self.min_return)
        by_pair = bias / np.maximum(np.abs(returns), self.min_return)
        self.record("mean", by_mean.mean())
        self.record("std", by_mean.std())
        self.record("pair_mean", by_pair.mean())
        self.record("pair_std", by_pair.std())
        self.record("return", returns.mean())
        self.record_histogram("by_mean", by_mean)

    @th.no_grad()
    def _values_and_returns(self, played: Episode) -> tuple[FloatArray, FloatArray]:
        known = len(played.rewards)
        if not played.terminated:
            known -= self._horizon - 1
        count = min(self.n_pairs, max(known, 1))
        policy = self.model.policy
        outputs = policy.critic_outputs(played.features[:count], played.actions[:count])
        values = policy.critic.mean(outputs).mean(dim=(0, 2)).double().cpu().numpy()
        returns = discounted_returns(played.rewards, played.bonuses, self.model.gamma)
        return values, returns[:count]


def default_horizon(gamma: float) -> int:
    """
    :param gamma: discount
    :return: smallest number of steps with ``gamma^steps <= 0.05``
    :raises Sb3ScaleError: if there is none
    """
    if not 0 < gamma < 1:
        raise Sb3ScaleError(
            f"callback 'q-bias' needs the parameter 'horizon' where gamma is {gamma}"
        )
    return math.ceil(math.log(TAIL) / math.log(gamma))
