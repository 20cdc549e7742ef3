"""Overestimation of the first state's value."""

import numpy as np
import torch as th

from sb3_scale.collection.episodes import discounted_returns
from sb3_scale.diagnostics.episodes import EpisodeDiagnostic
from sb3_scale.diagnostics.rollouts import Episode
from sb3_scale.errors import check_at_least


class Overestimation(EpisodeDiagnostic):
    """
    ``Q(s0, a0)`` minus the discounted return of the episode that follows, under the present policy.

    ``mean`` and ``std`` are over episodes, in units of the return, and ``q`` and ``return`` are the
    means of the two. Episodes are played in an environment of their own; what comes after their
    last step is left out: ``gamma^1000`` is 4e-5 for 0.99, but where a time limit cuts after 200
    steps, 13% of a steady value seem to be overestimated. Q is the mean over the critics. A
    stochastic actor samples, and its entropy counts where the critic's target has it.
    TensorBoard gets a histogram of the difference, too.
    Source: Hui, 2022, section 3.3, figure 3.2, which uses one state.

    :param interval: environment steps (decisions) from one measurement to the next
    :param n_episodes: episodes per measurement
    :param max_steps: after which an episode is cut
    """

    key = "overestimation"

    def __init__(self, interval: int = 10_000, n_episodes: int = 5, max_steps: int = 1000) -> None:
        super().__init__(interval)
        check_at_least(1, n_episodes=n_episodes, max_steps=max_steps)
        self.n_episodes = n_episodes
        self.max_steps = max_steps

    def measure(self) -> None:
        """Play the episodes and log the difference."""
        played = self.play(self.n_episodes, self.max_steps)
        values = np.array([self._first_value(each) for each in played])
        returns = np.array(
            [discounted_returns(each.rewards, each.bonuses, self.model.gamma)[0] for each in played]
        )
        self.record("mean", (values - returns).mean())
        self.record("std", (values - returns).std())
        self.record("q", values.mean())
        self.record("return", returns.mean())
        self.record_histogram("all", values - returns)

    @th.no_grad()
    def _first_value(self, played: Episode) -> float:
        policy = self.model.policy
        outputs = policy.critic_outputs(played.features[:1], played.actions[:1])
        return float(policy.critic.mean(outputs).mean())
