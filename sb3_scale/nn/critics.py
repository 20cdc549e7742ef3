"""Action values: network, value and reduction."""

import torch
from torch import Tensor

from sb3_scale.errors import check_at_least, shown
from sb3_scale.nn.base import ConstrainedModule, Init
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig, Reduction, Value


class CriticEnsemble(ConstrainedModule):
    """
    ``n_critics`` networks with a linear output, a value and a reduction.

    :param in_features: width of what the networks read
    :param n_values: values that each member gives for it
    :param n_critics: size of the ensemble
    :param network: hidden layers
    :param constraint: rule that the weights of all layers obey
    :param value: what the outputs of a member mean
    :param reduction: how the members combine in the bootstrap target and for the actor
    :param target: whether a Polyak copy computes the bootstrap target, or the critic itself
    :param joint_batch: whether s and s' pass through the critic at once, in training mode
    :param init: initialisation of the linear layers
    :param output_gain: of the output layer where ``init`` is ``orthogonal``
    """

    value: Value
    reduction: Reduction

    def __init__(
        self,
        in_features: int,
        n_values: int,
        n_critics: int,
        network: PartConfig,
        constraint: PartConfig | None,
        value: PartConfig,
        reduction: PartConfig,
        target: bool,
        joint_batch: bool,
        init: Init,
        output_gain: float,
    ) -> None:
        super().__init__()
        check_at_least(1, n_critics=n_critics)
        self.n_critics = n_critics
        self.target = target
        self.joint_batch = joint_batch
        self.value = build("value", value)
        self.reduction = build("reduction", reduction, n_critics)
        self._check_reduction(reduction)
        self.network = build("network", network, in_features, n_critics)
        self.output = EnsembleLinear(
            self.network.out_features, n_values * self.value.n_outputs, n_critics, output=True
        )
        self.initialize(init, constraint, output_gain)

    def _check_reduction(self, part: PartConfig) -> None:
        reads, outputs = self.reduction.reads, self.value.outputs
        if reads is not None and outputs not in reads:
            raise ValueError(
                f"reduction {shown(part)} combines {' or '.join(reads)} outputs, and those of "
                f"value are {outputs}; allowed with them: min, mean, none, subset"
            )
        self.reduction.check(self.value.n_outputs)

    def mean(self, outputs: Tensor) -> Tensor:
        """
        :param outputs: shape ``(n_critics, b, n_outputs)``
        :return: expected return of each member, shape ``(n_critics, b, 1)``
        """
        return self.value.mean(outputs)

    def judge(self, outputs: Tensor) -> Tensor:
        """
        :param outputs: shape ``(n_critics, b, n_outputs)``
        :return: one estimate, for the actor, shape ``(b, 1)``
        """
        return self.reduction.actor(self.value.mean(outputs))

    def bootstrap(
        self,
        next_outputs: Tensor,
        rewards: Tensor,
        discounts: Tensor,
        entropy_term: Tensor | None,
    ) -> Tensor:
        """
        The target of the outputs at ``(s, a)``: ``r + gamma (1 - done) (Q(s', a') - entropy)``, in
        the space of the value and with the members combined by the reduction.

        :param next_outputs: of the target critic, shape ``(n_critics, b, n_outputs)``
        :param rewards: shape ``(b, 1)``
        :param discounts: 0 where the episode terminated, shape ``(b, 1)``
        :param entropy_term: what to subtract from the value of the next action, shape ``(b, 1)``,
            or nothing
        :return: what the loss reads beside the outputs, shape ``(b, k)`` or ``(n_critics, b, k)``
        """
        reduced = self.reduced(next_outputs)
        return self.value.bootstrap(reduced, rewards, discounts, entropy_term)

    def reduced(self, next_outputs: Tensor) -> Tensor:
        """
        :param next_outputs: of the target critic, shape ``(n_critics, b, n_outputs)``
        :return: the distribution that its members combine to, shape ``(b, k)`` or
            ``(n_critics, b, k)``
        """
        distribution = self.value.distribution(next_outputs)
        return self.reduction.target(distribution, self.value.expectation(distribution))

    def td_errors(self, outputs: Tensor, target: Tensor) -> Tensor:
        """
        :param outputs: shape ``(n_critics, b, n_outputs)``
        :param target: of :meth:`bootstrap`
        :return: how far the expected returns are from the target's, the mean over the members of
            the absolute difference, shape ``(b,)``
        """
        return self.value.errors(outputs, target).abs().mean(dim=(0, 2))


class EnsembleCritic(CriticEnsemble):
    """
    ``n_critics`` networks of features and actions with a linear output.

    What the outputs mean is the value's business, how the members combine is the reduction's. Two
    critics, ``scalar`` and ``min`` are the clipped double Q-learning of Fujimoto et al., 2018,
    equation 10, as SAC and TD3 of Stable-Baselines3 use it. A subclass may override
    :meth:`bootstrap`, :meth:`judge` or :meth:`td_errors` alone.

    :param features_dim: width of the features
    :param action_dim: number of actions
    :param n_critics: size of the ensemble
    :param network: hidden layers
    :param constraint: rule that the weights of all layers obey
    :param value: what the outputs of a member mean
    :param reduction: how the members combine in the bootstrap target and for the actor
    :param target: whether a Polyak copy computes the bootstrap target, or the critic itself
    :param joint_batch: whether the update passes [s, a ; s', a'] through the critic at once, in
        training mode (CrossQ), instead of two passes
    :param init: initialisation of the linear layers
    :param output_gain: of the output layer where ``init`` is ``orthogonal``
    """

    def __init__(
        self,
        features_dim: int,
        action_dim: int,
        n_critics: int = 2,
        network: PartConfig = "mlp",
        constraint: PartConfig | None = None,
        value: PartConfig = "scalar",
        reduction: PartConfig = "min",
        target: bool = True,
        joint_batch: bool = False,
        init: Init = "default",
        output_gain: float = 1.0,
    ) -> None:
        super().__init__(
            features_dim + action_dim,
            1,
            n_critics,
            network,
            constraint,
            value,
            reduction,
            target,
            joint_batch,
            init,
            output_gain,
        )

    def forward(self, features: Tensor, actions: Tensor, training: bool = False) -> Tensor:
        """
        :param features: shape ``(b, features_dim)``
        :param actions: shape ``(b, action_dim)``
        :param training: whether norms use the statistics of this batch
        :return: shape ``(n_critics, b, n_outputs)``
        """
        x = torch.cat((features, actions), dim=-1).expand(self.n_critics, -1, -1)
        outputs: Tensor = self.output(self.network(x, training))
        return outputs
