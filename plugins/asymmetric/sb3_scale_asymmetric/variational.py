"""The actor of Variational Q-Learning: a policy with a latent variable."""

from typing import Literal

import torch
from torch import Tensor

from sb3_scale.errors import check_at_least
from sb3_scale.nn.actors import GaussianNetwork, gaussian_log_prob, log_tanh_slope
from sb3_scale.nn.base import Init, Part
from sb3_scale.protocols import PartConfig


class VariationalActor(Part):
    """
    A squashed Gaussian that knows a sampled latent variable of any size.

    ``z ~ pi_2(z | s)``, a Gaussian, then ``a ~ pi_1(a | z, s)``, a squashed Gaussian. The density
    ``pi(a | s) = int pi_1 pi_2 dz`` has no closed form. A third network, the Gaussian
    ``q_3(z | a, s)``, guesses the latent variable of an action and gives a bound of the entropy:
    ``-E[log pi] >= -E[log pi_1(a | z, s) + log pi_2(z | s) - log q_3(z | a, s)]``. The gap is the
    divergence of q_3 from the true posterior of z.

    The actor's log-probability is that bracket. With it SAC's actor loss is the thesis's objective,
    and trains all three networks. Its mean is an upper bound of the mean of log pi, so wherever SAC
    reads log-probabilities, entropy counts as no more than it is: in the bootstrap target, and in
    the temperature, which keeps the bound of the entropy at ``target_entropy``.

    Source: Hui, 2022, section 2.1.2, Variational Q-Learning; Ranganath et al., "Hierarchical
    Variational Models", 2016, section 3. The thesis writes this objective without a temperature;
    SAC weighs the bound by it, as it weighs log pi.

    :param features_dim: width of the features
    :param action_dim: number of actions
    :param network: hidden layers of pi_1
    :param constraint: rule that the weights of all layers obey, in each of the three networks
    :param log_std_min: lower bound of log sigma of the three Gaussians
    :param log_std_max: upper bound of log sigma
    :param log_std_bound: ``clamp`` as in Stable-Baselines3, or ``tanh`` which maps smoothly between
        the bounds as in DrQ and begins in their middle; give it a middle near 0, since a narrow q_3
        that does not know z yet makes the bound millions
    :param init: initialisation of the linear layers
    :param latent_dim: dimensions of z
    :param latent_network: hidden layers of pi_2, like those of pi_1 if null
    :param posterior_network: hidden layers of q_3, like those of pi_1 if null
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
        latent_dim: int = 8,
        latent_network: PartConfig | None = None,
        posterior_network: PartConfig | None = None,
    ) -> None:
        super().__init__()
        check_at_least(1, latent_dim=latent_dim)

        def gaussian(inputs: int, outputs: int, own: PartConfig | None) -> GaussianNetwork:
            return GaussianNetwork(
                inputs,
                outputs,
                network if own is None else own,
                constraint,
                log_std_min,
                log_std_max,
                log_std_bound,
                init,
            )

        self.latent = gaussian(features_dim, latent_dim, latent_network)
        self.policy = gaussian(features_dim + latent_dim, action_dim, None)
        self.posterior = gaussian(features_dim + action_dim, latent_dim, posterior_network)

    def forward(
        self, features: Tensor, deterministic: bool = False, training: bool = False
    ) -> Tensor:
        """
        :param features: shape ``(batch, features_dim)``
        :param deterministic: whether to return the squashed mean at the mean latent variable
        :param training: whether norms use the statistics of this batch
        :return: actions in (-1, 1), shape ``(batch, action_dim)``
        """
        z, log_std = self.latent.distribution(features, training)
        if not deterministic:
            z = z + log_std.exp() * torch.randn_like(z)
        u, log_std = self.policy.distribution(torch.cat((features, z), dim=-1), training)
        if not deterministic:
            u = u + log_std.exp() * torch.randn_like(u)
        return torch.tanh(u)

    def action_log_prob(self, features: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """
        :param features: shape ``(batch, features_dim)``
        :param training: whether norms use the statistics of this batch
        :return: actions ``(batch, action_dim)``, and ``log pi_1 + log pi_2 - log q_3`` in the place
            of log-probabilities, ``(batch, 1)``
        """
        mean, log_std = self.latent.distribution(features, training)
        noise = torch.randn_like(mean)
        z = mean + log_std.exp() * noise
        log_latent = gaussian_log_prob(noise, log_std)

        mean, log_std = self.policy.distribution(torch.cat((features, z), dim=-1), training)
        noise = torch.randn_like(mean)
        u = mean + log_std.exp() * noise
        slope = log_tanh_slope(u).sum(dim=-1, keepdim=True)
        log_policy = gaussian_log_prob(noise, log_std) - slope

        actions = torch.tanh(u)
        inputs = torch.cat((features, actions), dim=-1)
        mean, log_std = self.posterior.distribution(inputs, training)
        log_posterior = gaussian_log_prob((z - mean) * (-log_std).exp(), log_std)
        return actions, log_policy + log_latent - log_posterior

    def project_(self) -> None:
        """Restore the constraint on the weights of the three networks."""
        self.latent.project_()
        self.policy.project_()
        self.posterior.project_()
