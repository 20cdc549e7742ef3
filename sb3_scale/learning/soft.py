"""
Soft actor-critic: the entropy of the actor is part of the return.

Source of the equations: Haarnoja et al., "Soft Actor-Critic Algorithms and Applications", 2018,
sections 4 and 5.
"""

import math
from typing import Any, Protocol

import torch as th
from torch import nn

from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.learning.actor_critic import Evaluation, Policy
from sb3_scale.learning.actor_inputs import read_by_actor
from sb3_scale.learning.batch import Step
from sb3_scale.learning.evaluation import OneAction
from sb3_scale.learning.update import Learner, Metrics
from sb3_scale.quantities import is_number


class EntropySettings(Protocol):
    """What an algorithm says of the entropy, in the words of Stable-Baselines3."""

    log_ent_coef: th.Tensor | None
    """Logarithm of a learned temperature, ``(1,)``."""

    ent_coef_tensor: th.Tensor
    """A temperature that is not learned, one number."""

    target_entropy: Any
    """Entropy that a learned temperature aims at, in nats."""


class Temperature(nn.Module):
    """
    The temperature alpha.

    :param log_ent_coef: its logarithm, ``(1,)``, a parameter where it is learned
    :param target_entropy: entropy that it aims at, in nats
    """

    target_entropy: th.Tensor

    def __init__(self, log_ent_coef: th.Tensor, target_entropy: float) -> None:
        super().__init__()
        self.log_ent_coef = log_ent_coef
        self.register_buffer("target_entropy", log_ent_coef.new_tensor(target_entropy))

    def forward(self) -> th.Tensor:
        """
        :return: alpha without gradient, ``(1,)``
        """
        return self.log_ent_coef.detach().exp()

    def follow(self, settings: EntropySettings) -> None:
        """
        :param settings: the algorithm, whose present target entropy counts from now on
        :raises Sb3ScaleError: if that is no number, or the temperature another tensor
        """
        if settings.log_ent_coef is not self.log_ent_coef:
            raise Sb3ScaleError(
                "log_ent_coef is another tensor than the one that is trained; allowed: a new value "
                "in the same tensor, as model.log_ent_coef.data.fill_(-1.0) gives it"
            )
        wanted = settings.target_entropy
        if not is_number(wanted) or not math.isfinite(wanted):
            raise Sb3ScaleError(
                f"target_entropy is {shown(wanted)} in the training; allowed: a finite number"
            )
        self.target_entropy.fill_(float(wanted))

    def project_(self) -> None:
        """Nothing: every logarithm is allowed."""


class FixedTemperature(nn.Module):
    """
    A temperature that is not learned.

    :param ent_coef: alpha, one number
    """

    ent_coef: th.Tensor

    def __init__(self, ent_coef: th.Tensor) -> None:
        super().__init__()
        # A tensor of its own, which no other that takes the place of this one is written to.
        self.register_buffer("ent_coef", ent_coef.detach().reshape(()).clone())

    def forward(self) -> th.Tensor:
        """
        :return: alpha, ``()``
        """
        return self.ent_coef

    def follow(self, settings: EntropySettings) -> None:
        """
        :param settings: the algorithm, whose present temperature counts from now on
        """
        self.ent_coef.copy_(th.as_tensor(settings.ent_coef_tensor).detach().reshape(()))


class SoftObjective(nn.Module):
    """
    The value of an action and the entropy of the actor.

    :param temperature: alpha
    :param backup_entropy: whether the entropy term is part of the bootstrap target; without it this
        is SACLite
    """

    evaluation: Evaluation = OneAction()

    def __init__(self, temperature: Temperature | FixedTemperature, backup_entropy: bool) -> None:
        super().__init__()
        self.temperature = temperature
        self.backup_entropy = backup_entropy

    def follow(self, settings: EntropySettings) -> None:
        """
        :param settings: the algorithm, whose present attributes count from now on
        :raises Sb3ScaleError: if one of them cannot be used
        """
        self.temperature.follow(settings)

    def next_actions(
        self, policy: Policy, features: th.Tensor
    ) -> tuple[th.Tensor, th.Tensor | None]:
        """
        Sample ``a' ~ pi(s')``; equation 3 subtracts ``alpha log pi(a' | s')``.

        :param policy: with the actor
        :param features: of ``s'``, ``(b, features_dim)``
        :return: actions ``(b, action_dim)`` and the entropy term ``(b, 1)``, if it is backed up
        """
        actions, log_prob = policy.actor_target.action_log_prob(policy.actor_inputs(features))
        return actions, self.temperature() * log_prob if self.backup_entropy else None

    def critic_loss(self, policy: Policy, outputs: th.Tensor, target: th.Tensor) -> th.Tensor:
        """
        Equation 5, which takes half of a squared error.

        :param policy: with the loss
        :param outputs: of the critic, ``(m, b, n_outputs)``
        :param target: of the critic's ``bootstrap``
        :return: a scalar
        """
        loss: th.Tensor = policy.loss.soft_weight * policy.loss(outputs, target)
        return loss

    def actor_loss(self, policy: Policy, step: Step) -> tuple[th.Tensor, Metrics]:
        """
        Equation 7: ``alpha log pi(a | s) - Q(s, a)``, Q as the critic judges.

        :param policy: with actor and critic
        :param step: after the critic's part of it, gets ``log_prob``
        :return: a scalar, and the temperature
        """
        actions, log_prob = self._actions(policy, step)
        values = policy.critic.judge(policy.critic_outputs(step.features, actions))
        ent_coef = self.temperature()
        step.shared["log_prob"] = log_prob.detach()
        loss = (ent_coef * log_prob - values).mean()
        return loss, {"ent_coef": ent_coef.reshape(())}

    @staticmethod
    def _actions(policy: Policy, step: Step) -> tuple[th.Tensor, th.Tensor]:
        """Actions at s and their log-probabilities, where norms see s or both s and s'."""
        features = read_by_actor(policy, step)
        actions, log_prob = policy.actor.action_log_prob(features, training=True)
        half = len(step.features)
        return actions[:half], log_prob[:half]

    def bonus(self, log_prob: th.Tensor) -> th.Tensor | None:
        """
        :param log_prob: of actions, ``(b, 1)``
        :return: ``-alpha log pi(a | s)``, ``(b, 1)``, if the critic's target has it
        """
        return -self.temperature() * log_prob if self.backup_entropy else None


def temperature_learner(temperature: Temperature, optimizer: th.optim.Optimizer) -> Learner:
    """
    Equation 18, on log alpha as Stable-Baselines3 has it.

    :param temperature: that is learned
    :param optimizer: of its logarithm
    :return: the learner
    """

    def loss(step: Step) -> tuple[th.Tensor, Metrics]:
        surprise = step.shared["log_prob"] + temperature.target_entropy
        return -(temperature.log_ent_coef * surprise).mean(), {}

    return Learner("ent_coef", {"ent_coef": temperature}, optimizer, loss, compiled=False)
