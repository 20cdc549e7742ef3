"""
The deterministic policy gradient, and TD3's target policy smoothing.

Source of the equations: Fujimoto et al., "Addressing Function Approximation Error in Actor-Critic
Methods", 2018, algorithm 1.
"""

import torch as th

from sb3_scale.learning.actor_critic import Evaluation, Policy
from sb3_scale.learning.batch import Step
from sb3_scale.learning.evaluation import OneAction
from sb3_scale.learning.update import Metrics


class DeterministicObjective:
    """
    The value of the actor's action.

    :param noise: standard deviation of the target policy's smoothing, 0 for none
    :param noise_clip: largest size of that noise
    """

    evaluation: Evaluation = OneAction()
    backup_entropy = False

    def __init__(self, noise: float, noise_clip: float) -> None:
        self.noise = noise
        self.noise_clip = noise_clip

    def next_actions(self, policy: Policy, features: th.Tensor) -> tuple[th.Tensor, None]:
        """
        Target policy smoothing: ``clip(pi'(s') + clip(N(0, noise), -c, c), -1, 1)``.

        :param policy: with the target actor
        :param features: of ``s'``, ``(b, features_dim)``
        :return: actions ``(b, action_dim)``, and nothing to subtract
        """
        actions: th.Tensor = policy.actor_target(policy.actor_inputs(features))
        if self.noise > 0:
            noise = th.empty_like(actions).normal_(0, self.noise)
            noise = noise.clamp_(-self.noise_clip, self.noise_clip)
            actions = (actions + noise).clamp_(-1, 1)
        return actions, None

    def critic_loss(self, policy: Policy, outputs: th.Tensor, target: th.Tensor) -> th.Tensor:
        """
        :param policy: with the loss
        :param outputs: of the critic, ``(m, b, n_outputs)``
        :param target: of the critic's ``bootstrap``
        :return: a scalar
        """
        loss: th.Tensor = policy.loss(outputs, target)
        return loss

    def actor_loss(self, policy: Policy, step: Step) -> tuple[th.Tensor, Metrics]:
        """
        Deterministic policy gradient through the first critic.

        :param policy: with actor and critic
        :param step: after the critic's part of it
        :return: a scalar, and nothing else to log
        """
        actions = policy.actor(policy.actor_inputs(step.features), training=True)
        outputs = policy.critic_outputs(step.features, actions)
        return -policy.critic.mean(outputs)[0].mean(), {}

    def bonus(self, log_prob: th.Tensor) -> None:
        """
        :param log_prob: without use
        :return: nothing: rewards alone count
        """
