"""
Soft actor-critic over discrete actions: expectations are sums over all actions.

Source of the equations: Christodoulou, "Soft Actor-Critic for Discrete Action Settings", 2019,
section 3.
"""

import torch as th

from sb3_scale.learning.actor_critic import Policy
from sb3_scale.learning.actor_inputs import read_by_actor
from sb3_scale.learning.batch import Step
from sb3_scale.learning.evaluation import AllActions
from sb3_scale.learning.soft import SoftObjective
from sb3_scale.learning.update import Metrics


class DiscreteSoftObjective(SoftObjective):
    """
    The value of the actions and the entropy of the actor, each action weighed by its probability.
    """

    evaluation = AllActions()

    def next_actions(
        self, policy: Policy, features: th.Tensor
    ) -> tuple[th.Tensor, th.Tensor | None]:
        """
        Equation 10: ``V(s') = sum_a pi(a | s') (Q(s', a) - alpha log pi(a | s'))``.

        :param policy: with the actor
        :param features: of ``s'``, ``(b, features_dim)``
        :return: log-probabilities of all actions ``(b, n_actions)``, and the mean of the entropy
            term ``(b, 1)``, if it is backed up
        """
        log_probs = policy.actor_target.log_probs(policy.actor_inputs(features))
        if not self.backup_entropy:
            return log_probs, None
        return log_probs, self.temperature() * mean_of(log_probs, log_probs)

    def actor_loss(self, policy: Policy, step: Step) -> tuple[th.Tensor, Metrics]:
        """
        Equation 12: ``sum_a pi(a | s) (alpha log pi(a | s) - Q(s, a))``, Q as the critic judges.

        The temperature's loss, equation 11, reads the mean of ``log pi(a | s)`` over all actions.

        :param policy: with actor and critic
        :param step: after the critic's part of it, gets ``log_prob``
        :return: a scalar, and the temperature
        """
        log_probs = self._log_probs(policy, step)
        with th.no_grad():
            values = policy.critic.judge_all(policy.all_critic_outputs(step.features))
        ent_coef = self.temperature()
        step.shared["log_prob"] = mean_of(log_probs, log_probs).detach()
        loss = mean_of(log_probs, ent_coef * log_probs - values).mean()
        return loss, {"ent_coef": ent_coef.reshape(())}

    @staticmethod
    def _log_probs(policy: Policy, step: Step) -> th.Tensor:
        """Of all actions at s, where norms see s or both s and s'."""
        features = read_by_actor(policy, step)
        found: th.Tensor = policy.actor.log_probs(features, training=True)
        return found[: len(step.features)]


def mean_of(log_probs: th.Tensor, numbers: th.Tensor) -> th.Tensor:
    """
    :param log_probs: of actions, ``(b, n_actions)``
    :param numbers: of each action, ``(b, n_actions)``
    :return: their mean over the actions, ``(b, 1)``
    """
    return (log_probs.exp() * numbers).sum(dim=-1, keepdim=True)
