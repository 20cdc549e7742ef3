"""The actor whose policy is a normalising flow conditioned on the state."""

from typing import Literal

import torch
from torch import Tensor, nn

from sb3_scale.errors import check_above, check_within
from sb3_scale.nn.actors import GaussianNetwork, gaussian_log_prob, log_tanh_slope
from sb3_scale.nn.base import ConstrainedModule, Init, Part
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig

MOST_COUPLINGS = 64
"""Layers of a flow, each with a network of its own."""


class AffineCoupling(ConstrainedModule):
    """
    One coupling layer: an affine map of some dimensions, given the features and the others.

    ``y = x exp(log_scale) + shift``, where a network gives ``shift`` and ``log_scale``. Its output
    layer begins at zero, and so the map as the identity.

    :param features_dim: width of the features
    :param n_kept: dimensions that pass unchanged, may be 0
    :param n_moved: dimensions that the layer maps
    :param network: hidden layers
    :param constraint: rule that the weights of the hidden layers obey
    :param log_scale_bound: largest ``|log_scale|``, which is ``bound tanh(raw / bound)``
    :param init: initialisation of the hidden layers
    """

    def __init__(
        self,
        features_dim: int,
        n_kept: int,
        n_moved: int,
        network: PartConfig,
        constraint: PartConfig | None,
        log_scale_bound: float,
        init: Init,
    ) -> None:
        super().__init__()
        self.log_scale_bound = log_scale_bound
        self.network = build("network", network, features_dim + n_kept, 1)
        self.output = EnsembleLinear(self.network.out_features, 2 * n_moved, 1, output=True)
        self.initialize(init, constraint)
        for parameter in self.output.parameters():
            nn.init.zeros_(parameter)
        self.project_()
        if self.output.scale is not None or not self.output.weight.isfinite().all():
            raise ValueError(
                f"constraint {constraint!r} normalises the output layer, which begins at zero in "
                "a coupling layer; allowed: a constraint of the layers before it"
            )

    def forward(
        self, features: Tensor, kept: Tensor, training: bool = False
    ) -> tuple[Tensor, Tensor]:
        """
        :param features: shape ``(batch, features_dim)``
        :param kept: the other dimensions, shape ``(batch, n_kept)``
        :param training: whether norms use the statistics of this batch
        :return: shift and log scale, each ``(batch, n_moved)``
        """
        inputs = torch.cat((features, kept), dim=-1).unsqueeze(0)
        outputs = self.output(self.network(inputs, training)).squeeze(0)
        shift, raw = outputs.chunk(2, dim=-1)
        return shift, self.log_scale_bound * torch.tanh(raw / self.log_scale_bound)


class RealNVP(nn.Module):
    """
    Coupling layers that map the second half of the dimensions and the first in turn.

    One dimension has no other that could pass unchanged: there each layer is an affine map whose
    coefficients depend on the features alone.

    Source: Dinh et al., "Density Estimation Using Real NVP", 2017, section 3; with features as a
    further input of each coupling network, Winkler et al., "Learning Likelihoods with Conditional
    Normalizing Flows", 2019.

    :param features_dim: width of the features
    :param n_dims: dimensions that the flow maps
    :param n_layers: number of coupling layers
    :param network: hidden layers of each coupling layer
    :param constraint: rule that the weights of the hidden layers obey, in each coupling layer
    :param log_scale_bound: largest ``|log_scale|`` of one coupling layer
    :param init: initialisation of the hidden layers
    """

    def __init__(
        self,
        features_dim: int,
        n_dims: int,
        n_layers: int,
        network: PartConfig,
        constraint: PartConfig | None,
        log_scale_bound: float,
        init: Init,
    ) -> None:
        super().__init__()
        self.sizes = [n_dims // 2, n_dims - n_dims // 2]
        self.moved = [1 if n_dims == 1 else (index + 1) % 2 for index in range(n_layers)]
        self.couplings = nn.ModuleList(
            AffineCoupling(
                features_dim,
                self.sizes[1 - moved],
                self.sizes[moved],
                network,
                constraint,
                log_scale_bound,
                init,
            )
            for moved in self.moved
        )

    def forward(self, features: Tensor, z: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """
        :param features: shape ``(batch, features_dim)``
        :param z: shape ``(batch, n_dims)``
        :param training: whether norms use the statistics of this batch
        :return: ``g(z | features)``, shape ``(batch, n_dims)``, and ``log |det dg/dz|``, shape
            ``(batch, 1)``
        """
        halves = list(torch.split(z, self.sizes, dim=-1))
        log_det = torch.zeros_like(z[:, :1])
        for moved, coupling in zip(self.moved, self.couplings, strict=True):
            shift, log_scale = coupling(features, halves[1 - moved], training)
            halves[moved] = halves[moved] * log_scale.exp() + shift
            log_det = log_det + log_scale.sum(dim=-1, keepdim=True)
        return torch.cat(halves, dim=-1), log_det

    def inverse(self, features: Tensor, u: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """
        :param features: shape ``(batch, features_dim)``
        :param u: what :meth:`forward` gave, shape ``(batch, n_dims)``
        :param training: whether norms use the statistics of this batch
        :return: z, shape ``(batch, n_dims)``, and ``log |det dg/dz|`` there, shape ``(batch, 1)``
        """
        halves = list(torch.split(u, self.sizes, dim=-1))
        log_det = torch.zeros_like(u[:, :1])
        for moved, coupling in zip(reversed(self.moved), reversed(self.couplings), strict=True):
            shift, log_scale = coupling(features, halves[1 - moved], training)
            halves[moved] = (halves[moved] - shift) * (-log_scale).exp()
            log_det = log_det + log_scale.sum(dim=-1, keepdim=True)
        return torch.cat(halves, dim=-1), log_det

    def project_(self) -> None:
        """Restore the constraint on the weights of all coupling layers."""
        for coupling in self.couplings:
            coupling.project_()  # type: ignore[operator]


class ConditionalFlowActor(Part):
    """
    A Gaussian through a flow that knows the state, squashed by tanh.

    ``a = tanh(g(z | s))`` with ``z ~ N(mu(s), sigma(s))`` and g of :class:`RealNVP` layers, and
    ``log pi(a | s) = log N(z) - log |det dg/dz| - sum_i log(1 - a_i^2)``. It begins as the policy
    ``squashed-gaussian``, since g begins as the identity. With one action it stays a squashed
    Gaussian, whose mean and deviation several networks make; a single coupling layer maps half of
    the actions only. The deterministic action is ``tanh(g(mu(s) | s))``, for a nonlinear g neither
    the mean nor the mode.

    Source: Hui, 2022, section 2.1.2, conditional normalising flow policy. It gives neither the
    coupling networks nor their bound.

    :param features_dim: width of the features
    :param action_dim: number of actions
    :param network: hidden layers that give mean and log sigma of z
    :param constraint: rule that the weights of all layers obey, in each network; it must leave
        output layers alone
    :param log_std_min: lower bound of log sigma
    :param log_std_max: upper bound of log sigma
    :param log_std_bound: ``clamp`` as in Stable-Baselines3, or ``tanh`` which maps smoothly between
        the bounds as in DrQ
    :param init: initialisation of the linear layers
    :param n_layers: number of coupling layers, the flow's depth, at most 64
    :param coupling_network: hidden layers of each coupling layer
    :param log_scale_bound: largest ``|log_scale|`` of one coupling layer, so that none multiplies
        by more than its exponential
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
        n_layers: int = 4,
        coupling_network: PartConfig = "mlp",
        log_scale_bound: float = 1.0,
    ) -> None:
        super().__init__()
        check_within(1, MOST_COUPLINGS, n_layers=n_layers)
        check_above(0, log_scale_bound=log_scale_bound)
        self.base = GaussianNetwork(
            features_dim,
            action_dim,
            network,
            constraint,
            log_std_min,
            log_std_max,
            log_std_bound,
            init,
        )
        self.flow = RealNVP(
            features_dim, action_dim, n_layers, coupling_network, constraint, log_scale_bound, init
        )

    def forward(
        self, features: Tensor, deterministic: bool = False, training: bool = False
    ) -> Tensor:
        """
        :param features: shape ``(batch, features_dim)``
        :param deterministic: whether z is its mean instead of a sample
        :param training: whether norms use the statistics of this batch
        :return: actions in (-1, 1), shape ``(batch, action_dim)``
        """
        z, log_std = self.base.distribution(features, training)
        if not deterministic:
            z = z + log_std.exp() * torch.randn_like(z)
        u, _ = self.flow(features, z, training)
        return torch.tanh(u)

    def action_log_prob(self, features: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """
        :param features: shape ``(batch, features_dim)``
        :param training: whether norms use the statistics of this batch
        :return: actions ``(batch, action_dim)`` and log-probabilities ``(batch, 1)``
        """
        mean, log_std = self.base.distribution(features, training)
        noise = torch.randn_like(mean)
        u, log_det = self.flow(features, mean + log_std.exp() * noise, training)
        slope = log_tanh_slope(u).sum(dim=-1, keepdim=True)
        return torch.tanh(u), gaussian_log_prob(noise, log_std) - log_det - slope

    def log_prob(self, features: Tensor, actions: Tensor, training: bool = False) -> Tensor:
        """
        Log-probabilities of given actions, by the inverse of the flow.

        :param features: shape ``(batch, features_dim)``
        :param actions: shape ``(batch, action_dim)``; -1 and 1 count as the nearest inner numbers
        :param training: whether norms use the statistics of this batch
        :return: shape ``(batch, 1)``
        """
        border = 1 - torch.finfo(actions.dtype).eps
        u = torch.atanh(actions.clamp(-border, border))
        z, log_det = self.flow.inverse(features, u, training)
        mean, log_std = self.base.distribution(features, training)
        noise = (z - mean) * (-log_std).exp()
        slope = log_tanh_slope(u).sum(dim=-1, keepdim=True)
        return gaussian_log_prob(noise, log_std) - log_det - slope

    def project_(self) -> None:
        """Restore the constraint on the weights of all networks."""
        self.base.project_()
        self.flow.project_()
