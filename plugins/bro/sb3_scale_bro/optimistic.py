"""The dual actor of BRO: one policy to learn from, a more optimistic one to explore with."""

import math
from collections.abc import Iterator
from typing import Literal

import torch
from torch import Tensor, nn

from sb3_scale.errors import check_above, check_at_least
from sb3_scale.learning.batch import Step
from sb3_scale.learning.update import Learner, Metrics
from sb3_scale.nn.actors import SquashedGaussianActor
from sb3_scale.nn.base import ConstrainedModule, Init, Part
from sb3_scale.nn.linear import EnsembleLinear, orthogonal_
from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig, TrainedPolicy

LOG_MIN, LOG_MAX = -10.0, 7.5
"""Bounds of the logarithm of a multiplier."""

SHIFT_GAIN = 0.01
"""Orthogonal gain of the layer that gives the shift, which so begins near zero."""


class Multiplier(nn.Module):
    """
    A positive number whose logarithm is bounded: ``log x = min + (max - min) (1 + tanh(p)) / 2``.

    :param initial: its value at the start
    """

    def __init__(self, initial: float) -> None:
        super().__init__()
        share = (math.log(initial) - LOG_MIN) / (LOG_MAX - LOG_MIN)
        self.parameter = nn.Parameter(torch.tensor(math.atanh(2 * share - 1)))

    def forward(self) -> Tensor:
        """
        :return: the number, shape ``()``
        """
        return torch.exp(LOG_MIN + (LOG_MAX - LOG_MIN) * (1 + torch.tanh(self.parameter)) / 2)


class Multipliers(Part):
    """
    The two that adapt.

    :param optimism: weight of the critics' standard deviation at the start
    :param kl_weight: weight of the divergence at the start
    """

    def __init__(self, optimism: float, kl_weight: float) -> None:
        super().__init__()
        self.optimism = Multiplier(optimism)
        self.kl_weight = Multiplier(kl_weight)


class MeanShift(ConstrainedModule):
    """
    What the exploring policy adds to the mean, a function of the features and the mean.

    :param features_dim: width of the features
    :param action_dim: number of actions
    :param network: hidden layers
    :param constraint: rule that the weights of all layers obey
    :param init: initialisation of the hidden layers; the last begins near zero
    """

    def __init__(
        self,
        features_dim: int,
        action_dim: int,
        network: PartConfig,
        constraint: PartConfig | None,
        init: Init,
    ) -> None:
        super().__init__()
        self.network = build("network", network, features_dim + action_dim, 1)
        self.output = EnsembleLinear(self.network.out_features, action_dim, 1, output=True)
        self.initialize(init, constraint)
        orthogonal_(self.output, SHIFT_GAIN)
        self.project_()

    def forward(self, features: Tensor, mean: Tensor, training: bool = False) -> Tensor:
        """
        :param features: shape ``(batch, features_dim)``
        :param mean: of the policy before tanh, shape ``(batch, action_dim)``
        :param training: whether norms use the statistics of this batch
        :return: shape ``(batch, action_dim)``
        """
        inputs = torch.cat((features, mean), dim=-1).unsqueeze(0)
        shift: Tensor = self.output(self.network(inputs, training)).squeeze(0)
        return shift


class OptimisticActor(Part):
    """
    A squashed Gaussian policy, and a second one that only chooses the actions in training.

    The policy is ``squashed-gaussian``: SAC trains it, the bootstrap target samples from it, and
    evaluation uses its mean. The exploring policy is
    ``a = tanh(mu(s) + shift(s, mu(s)) + std_multiplier sigma(s) eps)``. Its shift maximises
    ``mean_i Q_i + optimism std_i Q_i - kl_weight KL``, where KL is its divergence from the policy
    before tanh with the multiplier taken out, ``sum_a shift_a^2 / (2 sigma_a^2)``. Two multipliers
    adapt: ``optimism`` falls and ``kl_weight`` rises while KL per action is above ``kl_target``.

    Source: Nauman et al., "Bigger, Regularized, Optimistic", 2024, dual policy optimistic
    exploration; losses and defaults are those of their released code, whose last layer of the shift
    has no bias. With quantiles the standard deviation is taken quantile by quantile, as
    there; with a categorical value that of the expectations is. With one critic nothing is
    optimistic.

    :param features_dim: width of the features
    :param action_dim: number of actions
    :param network: hidden layers of the policy
    :param constraint: rule that the weights of all layers obey, in each of the two networks
    :param log_std_min: lower bound of log sigma
    :param log_std_max: upper bound of log sigma
    :param log_std_bound: ``clamp`` as in Stable-Baselines3, or ``tanh`` which maps smoothly between
        the bounds as in BRO
    :param init: initialisation of the linear layers
    :param exploration_network: hidden layers of the shift, like those of the policy if null
    :param std_multiplier: standard deviation of the exploring policy relative to the policy's
    :param kl_target: divergence per action that the multipliers aim at
    :param optimism: weight of the critics' standard deviation at the start
    :param kl_weight: weight of the divergence at the start
    :param multiplier_learning_rate: of the Adam, with betas 0.5 and 0.999, of the two multipliers
    """

    stochastic = True
    target = False

    def __init__(
        self,
        features_dim: int,
        action_dim: int,
        network: PartConfig = "mlp",
        constraint: PartConfig | None = None,
        log_std_min: float = -20.0,
        log_std_max: float = 2.0,
        log_std_bound: Literal["clamp", "tanh"] = "clamp",
        init: Init = "default",
        exploration_network: PartConfig | None = None,
        std_multiplier: float = 0.75,
        kl_target: float = 0.05,
        optimism: float = 1.0,
        kl_weight: float = 0.25,
        multiplier_learning_rate: float = 3e-5,
    ) -> None:
        super().__init__()
        check_above(0, std_multiplier=std_multiplier, kl_target=kl_target)
        check_at_least(0, multiplier_learning_rate=multiplier_learning_rate)
        for name, value in (("optimism", optimism), ("kl_weight", kl_weight)):
            if not math.exp(LOG_MIN) < value < math.exp(LOG_MAX):
                raise ValueError(f"{name} is {value}; allowed: between 4.6e-5 and 1800")
        self.std_multiplier = std_multiplier
        self.kl_target = kl_target
        self.policy = SquashedGaussianActor(
            features_dim,
            action_dim,
            network,
            constraint,
            log_std_min,
            log_std_max,
            log_std_bound,
            init,
        )
        own_network = network if exploration_network is None else exploration_network
        self.shift = MeanShift(features_dim, action_dim, own_network, constraint, init)
        self.multipliers = Multipliers(optimism, kl_weight)
        self.multiplier_optimizer = torch.optim.Adam(
            self.multipliers.parameters(),
            lr=multiplier_learning_rate,
            betas=(0.5, 0.999),
            fused=True,
        )

    def forward(
        self, features: Tensor, deterministic: bool = False, training: bool = False
    ) -> Tensor:
        """
        :param features: shape ``(batch, features_dim)``
        :param deterministic: whether to return the policy's squashed mean instead of a sample of
            the exploring policy
        :param training: whether norms use the statistics of this batch
        :return: actions in (-1, 1), shape ``(batch, action_dim)``
        """
        mean, log_std = self.policy.distribution(features, training)
        if not deterministic:
            shift = self.shift(features, mean, training)
            mean = mean + shift + self.std_multiplier * log_std.exp() * torch.randn_like(mean)
        return torch.tanh(mean)

    def action_log_prob(self, features: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """
        Sample the policy, not the exploring one.

        :param features: shape ``(batch, features_dim)``
        :param training: whether norms use the statistics of this batch
        :return: actions ``(batch, action_dim)`` and log-probabilities ``(batch, 1)``
        """
        return self.policy.action_log_prob(features, training)

    def learners(self, policy: TrainedPolicy) -> Iterator[Learner]:
        """
        The shift, by the actor's optimiser, then the two multipliers.

        :param policy: whose critic judges actions
        :return: two learners
        """
        yield Learner(
            "exploration",
            {"exploration": self.shift},
            policy.actor.optimizer,
            lambda step: self._shift_loss(step, policy),
            clipped=True,
        )
        yield Learner(
            "multipliers",
            {"multipliers": self.multipliers},
            self.multiplier_optimizer,
            self._multiplier_loss,
            compiled=False,
        )

    def _shift_loss(self, step: Step, policy: TrainedPolicy) -> tuple[Tensor, Metrics]:
        with torch.no_grad():
            read = policy.actor_inputs(step.features)
            mean, log_std = self.policy.distribution(read)
            std = log_std.exp()
            optimism, kl_weight = self.multipliers.optimism(), self.multipliers.kl_weight()
        shift = self.shift(read, mean, training=True)
        noise = torch.randn_like(mean)
        actions = torch.tanh(mean + shift + self.std_multiplier * std * noise)
        estimates = self._estimates(policy, policy.critic_outputs(step.features, actions))
        upper = estimates.mean(dim=0) + optimism * estimates.std(dim=0, correction=0)
        divergence = 0.5 * (shift / std).square().mean()
        kl = shift.shape[1] * divergence
        loss = kl_weight * kl - upper.mean(dim=-1, keepdim=True).mean()
        step.shared["exploration_kl"] = divergence.detach()
        return loss, {
            "exploration_kl": divergence.detach(),
            "optimism": optimism,
            "kl_weight": kl_weight,
        }

    def _estimates(self, policy: TrainedPolicy, outputs: Tensor) -> Tensor:
        """In units of the return: the outputs where they are, else the members' expectations."""
        in_returns = policy.critic.value.outputs in ("scalar", "quantiles")
        estimates: Tensor = outputs if in_returns else policy.critic.mean(outputs)
        return estimates

    def _multiplier_loss(self, step: Step) -> tuple[Tensor, Metrics]:
        excess = step.shared["exploration_kl"] - self.kl_target
        return (self.multipliers.optimism() - self.multipliers.kl_weight()) * excess, {}

    def project_(self) -> None:
        """Restore the constraint on the weights of both networks."""
        self.policy.project_()
        self.shift.project_()
