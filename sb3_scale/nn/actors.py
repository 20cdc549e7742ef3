"""Policy heads."""

import math
from typing import Literal

import torch
from torch import Tensor

from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.nn.weights import ConstrainedModule, Init
from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


class SquashedGaussianActor(ConstrainedModule):
    """
    A diagonal Gaussian squashed by tanh, the actor of SAC.

    ``a = tanh(mu(s) + sigma(s) * eps)`` with ``eps ~ N(0, 1)``, and the log-probability of Haarnoja
    et al., 2018, appendix C, with the 1e-6 inside the logarithm that Stable-Baselines3 adds.

    :param features_dim: width of the features
    :param action_dim: number of actions
    :param network: hidden layers
    :param constraint: rule that the weights of all layers obey
    :param log_std_min: lower bound of log sigma
    :param log_std_max: upper bound of log sigma
    :param log_std_bound: ``clamp`` as in Stable-Baselines3, or ``tanh`` which maps smoothly between
        the bounds as in DrQ
    :param init: initialisation of the linear layers
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
    ) -> None:
        super().__init__()
        if log_std_min >= log_std_max:
            raise ValueError("log_std_min must be below log_std_max")
        self.log_std_min = log_std_min
        self.log_std_max = log_std_max
        self.log_std_bound = log_std_bound
        self.network = build("network", network, features_dim, 1)
        self.output = EnsembleLinear(self.network.out_features, 2 * action_dim, 1)
        self.finish(init, constraint)

    def distribution(self, features: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """
        :param features: shape ``(batch, features_dim)``
        :param training: whether norms use the statistics of this batch
        :return: mean and log standard deviation before tanh, each ``(batch, action_dim)``
        """
        outputs = self.output(self.network(features.unsqueeze(0), training)).squeeze(0)
        mean, log_std = outputs.chunk(2, dim=-1)
        if self.log_std_bound == "clamp":
            return mean, log_std.clamp(self.log_std_min, self.log_std_max)
        span = self.log_std_max - self.log_std_min
        return mean, self.log_std_min + 0.5 * span * (torch.tanh(log_std) + 1)

    def forward(
        self, features: Tensor, deterministic: bool = False, training: bool = False
    ) -> Tensor:
        """
        :param features: shape ``(batch, features_dim)``
        :param deterministic: whether to return the squashed mean instead of a sample
        :param training: whether norms use the statistics of this batch
        :return: actions in (-1, 1), shape ``(batch, action_dim)``
        """
        mean, log_std = self.distribution(features, training)
        if not deterministic:
            mean = mean + log_std.exp() * torch.randn_like(mean)
        return torch.tanh(mean)

    def action_log_prob(self, features: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """
        :param features: shape ``(batch, features_dim)``
        :param training: whether norms use the statistics of this batch
        :return: actions ``(batch, action_dim)`` and log-probabilities ``(batch, 1)``
        """
        mean, log_std = self.distribution(features, training)
        noise = torch.randn_like(mean)
        actions = torch.tanh(mean + log_std.exp() * noise)
        gaussian = -0.5 * noise.square() - log_std - HALF_LOG_TWO_PI
        squash = torch.log(1 - actions.square() + 1e-6)
        return actions, (gaussian - squash).sum(dim=-1, keepdim=True)


class DeterministicActor(ConstrainedModule):
    """
    ``a = tanh(mu(s))``, the actor of DDPG and TD3 (Fujimoto et al., 2018).

    :param features_dim: width of the features
    :param action_dim: number of actions
    :param network: hidden layers
    :param constraint: rule that the weights of all layers obey
    :param target: whether a Polyak copy chooses the next action in the bootstrap target
    :param init: initialisation of the linear layers
    """

    stochastic = False

    def __init__(
        self,
        features_dim: int,
        action_dim: int,
        network: PartConfig = "mlp",
        constraint: PartConfig | None = None,
        target: bool = True,
        init: Init = "default",
    ) -> None:
        super().__init__()
        self.target = target
        self.network = build("network", network, features_dim, 1)
        self.output = EnsembleLinear(self.network.out_features, action_dim, 1)
        self.finish(init, constraint)

    def forward(
        self, features: Tensor, deterministic: bool = False, training: bool = False
    ) -> Tensor:
        """
        :param features: shape ``(batch, features_dim)``
        :param deterministic: without effect
        :param training: whether norms use the statistics of this batch
        :return: actions in (-1, 1), shape ``(batch, action_dim)``
        """
        return torch.tanh(self.output(self.network(features.unsqueeze(0), training)).squeeze(0))
