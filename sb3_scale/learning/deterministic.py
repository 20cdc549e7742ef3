"""
The deterministic policy gradient, and TD3's target policy smoothing.

Source of the equations: Fujimoto et al., "Addressing Function Approximation Error in Actor-Critic
Methods", 2018, algorithm 1.
"""

from typing import Protocol

import torch as th
from torch import nn

from sb3_scale.learning.actor_critic import Evaluation, Policy
from sb3_scale.learning.actor_inputs import read_by_actor
from sb3_scale.learning.batch import Step
from sb3_scale.learning.evaluation import OneAction
from sb3_scale.learning.update import Metrics
from sb3_scale.quantities import Within

SIZE = Within(0)
"""What the target policy's smoothing may be."""


class SmoothingSettings(Protocol):
    """What an algorithm says of the smoothing, in the words of Stable-Baselines3."""

    target_policy_noise: float
    """Standard deviation of the noise, 0 for none."""

    target_noise_clip: float
    """Largest size of that noise."""


class DeterministicObjective(nn.Module):
    """
    The value of the actor's action.

    :param noise: standard deviation of the target policy's smoothing, 0 for none
    :param noise_clip: largest size of that noise
    """

    evaluation: Evaluation = OneAction()
    backup_entropy = False

    noise: th.Tensor
    noise_clip: th.Tensor

    def __init__(self, noise: float, noise_clip: float) -> None:
        super().__init__()
        self.register_buffer("noise", th.tensor(float(noise)))
        self.register_buffer("noise_clip", th.tensor(float(noise_clip)))

    def follow(self, settings: SmoothingSettings) -> None:
        """
        :param settings: the algorithm, whose present smoothing counts from now on
        :raises Sb3ScaleError: if it is negative, infinite or no number
        """
        self.noise.fill_(SIZE("target_policy_noise", settings.target_policy_noise))
        self.noise_clip.fill_(SIZE("target_noise_clip", settings.target_noise_clip))

    def next_actions(self, policy: Policy, features: th.Tensor) -> tuple[th.Tensor, None]:
        """
        Target policy smoothing: ``clip(pi'(s') + clip(N(0, noise), -c, c), -1, 1)``.

        :param policy: with the target actor
        :param features: of ``s'``, ``(b, features_dim)``
        :return: actions ``(b, action_dim)``, and nothing to subtract
        """
        actions: th.Tensor = policy.actor_target(policy.actor_inputs(features))
        # Drawn without noise too, as Stable-Baselines3 does: no step depends on what it is.
        noise = th.empty_like(actions).normal_() * self.noise
        noise = noise.clamp(-self.noise_clip, self.noise_clip)
        return (actions + noise).clamp(-1, 1), None

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
        features = read_by_actor(policy, step)
        actions = policy.actor(features, training=True)[: len(step.features)]
        outputs = policy.critic_outputs(step.features, actions)
        return -policy.critic.mean(outputs)[0].mean(), {}

    def bonus(self, log_prob: th.Tensor) -> None:
        """
        :param log_prob: without use
        :return: nothing: rewards alone count
        """
