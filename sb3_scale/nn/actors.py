"""Policy heads."""

import math
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

from sb3_scale.nn.base import ConstrainedModule, Init
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig

HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)
LOG_TWO = math.log(2)


def log_tanh_slope(u: Tensor) -> Tensor:
    """
    The tanh correction ``log(1 - tanh(u)^2)``, as ``2 (log 2 - u - softplus(-2 u))``.

    It is finite and has a gradient wherever tanh rounds to 1, unlike the logarithm of ``1 - a^2``,
    which Stable-Baselines3 keeps finite with 1e-6 inside: at u = 5 that form's gradient is 0.6% too
    small, at u = 9 it is 89%.

    :param u: values before tanh, any shape
    :return: same shape
    """
    return 2 * (LOG_TWO - u - softplus(-2 * u))


def gaussian_log_prob(noise: Tensor, log_std: Tensor) -> Tensor:
    """
    Log-density of a diagonal Gaussian.

    :param noise: ``(x - mean) / std``, shape ``(batch, n)``
    :param log_std: shape ``(batch, n)``
    :return: shape ``(batch, 1)``
    """
    return (-0.5 * noise.square() - log_std - HALF_LOG_TWO_PI).sum(dim=-1, keepdim=True)


class GaussianNetwork(ConstrainedModule):
    """
    A network that gives mean and log standard deviation of a diagonal Gaussian.

    :param in_features: width of the input
    :param out_features: dimensions of the Gaussian
    :param network: hidden layers
    :param constraint: rule that the weights of all layers obey
    :param log_std_min: lower bound of log sigma
    :param log_std_max: upper bound of log sigma
    :param log_std_bound: ``clamp`` as in Stable-Baselines3, or ``tanh`` which maps smoothly between
        the bounds as in DrQ
    :param init: initialisation of the linear layers
    :param heads: more hidden layers, of mean and log sigma each its own
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        network: PartConfig,
        constraint: PartConfig | None,
        log_std_min: float,
        log_std_max: float,
        log_std_bound: Literal["clamp", "tanh"],
        init: Init,
        heads: PartConfig | None = None,
    ) -> None:
        super().__init__()
        if not -math.inf < log_std_min < log_std_max < math.inf:
            raise ValueError(
                f"log_std_min is {log_std_min} and log_std_max is {log_std_max}; allowed: finite "
                "numbers, the first below the second"
            )
        self.log_std_min = log_std_min
        self.log_std_max = log_std_max
        self.log_std_bound = log_std_bound
        self.network = build("network", network, in_features, 1)
        width = self.network.out_features
        self.heads: Any = None
        if heads is None:
            self.output = EnsembleLinear(width, 2 * out_features, 1, output=True)
        else:
            self.heads = build("network", heads, width, 2)
            self.output = EnsembleLinear(self.heads.out_features, out_features, 2, output=True)
        self.initialize(init, constraint)

    def distribution(self, inputs: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """
        :param inputs: shape ``(batch, in_features)``
        :param training: whether norms use the statistics of this batch
        :return: mean and log standard deviation, each ``(batch, out_features)``
        """
        hidden = self.network(inputs.unsqueeze(0), training)
        if self.heads is None:
            mean, log_std = self.output(hidden).squeeze(0).chunk(2, dim=-1)
        else:
            both: Tensor = self.output(self.heads(hidden.expand(2, -1, -1), training))
            mean, log_std = both.unbind(0)
        if self.log_std_bound == "clamp":
            return mean, log_std.clamp(self.log_std_min, self.log_std_max)
        span = self.log_std_max - self.log_std_min
        return mean, self.log_std_min + 0.5 * span * (torch.tanh(log_std) + 1)


class SquashedGaussianActor(GaussianNetwork):
    """
    A diagonal Gaussian squashed by tanh, the actor of SAC.

    ``a = tanh(mu(s) + sigma(s) * eps)`` with ``eps ~ N(0, 1)``, and the log-probability of Haarnoja
    et al., 2018, appendix C, with the tanh correction of :func:`log_tanh_slope`.

    :param features_dim: width of the features
    :param action_dim: number of actions
    :param network: hidden layers
    :param constraint: rule that the weights of all layers obey
    :param log_std_min: lower bound of log sigma
    :param log_std_max: upper bound of log sigma
    :param log_std_bound: ``clamp`` as in Stable-Baselines3, or ``tanh`` which maps smoothly between
        the bounds as in DrQ
    :param init: initialisation of the linear layers
    :param target: whether a Polyak copy chooses the next action in the bootstrap target
    :param joint_batch: whether the actor's loss passes [s ; s'] through the actor, whose norms so
        see both, and reads the first half (FlashSAC)
    :param heads: more hidden layers, of mean and log sigma each its own (SimbaV2)
    """

    stochastic = True

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
        target: bool = False,
        joint_batch: bool = False,
        heads: PartConfig | None = None,
    ) -> None:
        super().__init__(
            features_dim,
            action_dim,
            network,
            constraint,
            log_std_min,
            log_std_max,
            log_std_bound,
            init,
            heads,
        )
        self.target = target
        self.joint_batch = joint_batch

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
        u = mean + log_std.exp() * noise
        slope = log_tanh_slope(u).sum(dim=-1, keepdim=True)
        return torch.tanh(u), gaussian_log_prob(noise, log_std) - slope


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
        self.output = EnsembleLinear(self.network.out_features, action_dim, 1, output=True)
        self.initialize(init, constraint)

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
