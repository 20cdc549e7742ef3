"""
Actor and critic over discrete actions, as indices of ``n`` joint actions.

Source: Christodoulou, "Soft Actor-Critic for Discrete Action Settings", 2019, section 3.
"""

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from sb3_scale.nn.base import ConstrainedModule, Init
from sb3_scale.nn.critics import CriticEnsemble
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig


class CategoricalActor(ConstrainedModule):
    """
    A probability for each joint action, ``pi(. | s) = softmax(logits(s))``.

    :param features_dim: width of the features
    :param n_actions: number of joint actions
    :param network: hidden layers
    :param constraint: rule that the weights of all layers obey
    :param init: initialisation of the linear layers
    :param target: whether a Polyak copy chooses the next action in the bootstrap target
    :param joint_batch: whether the actor's loss passes [s ; s'] through the actor, whose norms so
        see both, and reads the first half (FlashSAC)
    """

    stochastic = True

    def __init__(
        self,
        features_dim: int,
        n_actions: int,
        network: PartConfig = "mlp",
        constraint: PartConfig | None = None,
        init: Init = "default",
        target: bool = False,
        joint_batch: bool = False,
    ) -> None:
        super().__init__()
        self.target = target
        self.joint_batch = joint_batch
        self.network = build("network", network, features_dim, 1)
        self.output = EnsembleLinear(self.network.out_features, n_actions, 1, output=True)
        self.initialize(init, constraint)

    def log_probs(self, features: Tensor, training: bool = False) -> Tensor:
        """
        :param features: shape ``(b, features_dim)``
        :param training: whether norms use the statistics of this batch
        :return: logarithm of each action's probability, shape ``(b, n_actions)``
        """
        logits = self.output(self.network(features.unsqueeze(0), training)).squeeze(0)
        # Autocast rounds the logits, and the sum of probabilities must be 1.
        return log_softmax(logits, dim=-1, dtype=torch.promote_types(logits.dtype, torch.float32))

    def forward(
        self, features: Tensor, deterministic: bool = False, training: bool = False
    ) -> Tensor:
        """
        :param features: shape ``(b, features_dim)``
        :param deterministic: whether to return the most probable action instead of a sample
        :param training: whether norms use the statistics of this batch
        :return: indices of actions, shape ``(b, 1)``
        """
        log_probs = self.log_probs(features, training)
        return log_probs.argmax(dim=-1, keepdim=True) if deterministic else drawn(log_probs)

    def action_log_prob(self, features: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """
        :param features: shape ``(b, features_dim)``
        :param training: whether norms use the statistics of this batch
        :return: sampled indices ``(b, 1)`` and their log-probabilities ``(b, 1)``
        """
        log_probs = self.log_probs(features, training)
        actions = drawn(log_probs)
        return actions, log_probs.take_along_dim(actions, dim=-1)


def drawn(log_probs: Tensor) -> Tensor:
    """
    Sample by the Gumbel-max trick: ``argmax_a (log pi(a) - log E_a)``, ``E_a ~ Exp(1)``.

    :param log_probs: shape ``(b, n_actions)``
    :return: indices of actions, shape ``(b, 1)``
    """
    waits = torch.empty_like(log_probs).exponential_()
    return (log_probs - waits.log()).argmax(dim=-1, keepdim=True)


class DiscreteEnsembleCritic(CriticEnsemble):
    """
    ``n_critics`` networks of features alone, whose linear output has a value for each joint action.

    Value and reduction work action by action: each action is to them a row of the batch.

    :param features_dim: width of the features
    :param n_actions: number of joint actions
    :param n_critics: size of the ensemble
    :param network: hidden layers
    :param constraint: rule that the weights of all layers obey
    :param value: what the outputs of a member mean, for each action
    :param reduction: how the members combine in the bootstrap target and for the actor
    :param target: whether a Polyak copy computes the bootstrap target, or the critic itself
    :param joint_batch: whether the update passes [s ; s'] through the critic at once, in training
        mode (CrossQ), instead of two passes
    :param init: initialisation of the linear layers
    :param output_gain: of the output layer where ``init`` is ``orthogonal``
    """

    def __init__(
        self,
        features_dim: int,
        n_actions: int,
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
            features_dim,
            n_actions,
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
        :param actions: indices, shape ``(b, 1)``
        :param training: whether norms use the statistics of this batch
        :return: outputs of these actions, shape ``(n_critics, b, n_outputs)``
        """
        return self.taken(self.all_outputs(features, training), actions)

    def all_outputs(self, features: Tensor, training: bool = False) -> Tensor:
        """
        :param features: shape ``(b, features_dim)``
        :param training: whether norms use the statistics of this batch
        :return: outputs of all actions, shape ``(n_critics, b, n_actions, n_outputs)``
        """
        x = features.expand(self.n_critics, -1, -1)
        outputs: Tensor = self.output(self.network(x, training))
        return torch.unflatten(outputs, -1, (-1, self.value.n_outputs))

    def taken(self, outputs: Tensor, actions: Tensor) -> Tensor:
        """
        :param outputs: of all actions, shape ``(n_critics, b, n_actions, n_outputs)``
        :param actions: indices, shape ``(b, 1)``
        :return: outputs of these actions, shape ``(n_critics, b, n_outputs)``
        """
        return outputs.take_along_dim(actions[None, :, :, None], dim=2).squeeze(2)

    def judge_all(self, outputs: Tensor) -> Tensor:
        """
        :param outputs: of all actions, shape ``(n_critics, b, n_actions, n_outputs)``
        :return: one estimate of each, for the actor, shape ``(b, n_actions)``
        """
        return self.judge(outputs.flatten(1, 2)).view(outputs.shape[1:3])

    def bootstrap_all(
        self,
        next_outputs: Tensor,
        probabilities: Tensor,
        rewards: Tensor,
        discounts: Tensor,
        entropy_term: Tensor | None,
    ) -> Tensor:
        """
        The target of the outputs at ``(s, a)``, with the mean over all next actions. Of numbers and
        probabilities it is exact; of quantiles the mean of quantile functions, whose expectation is
        exact.

        :param next_outputs: of the target critic for all actions, shape ``(n_critics, b, n_actions,
            n_outputs)``
        :param probabilities: of the next actions, shape ``(b, n_actions)``
        :param rewards: shape ``(b, 1)``
        :param discounts: 0 where the episode terminated, shape ``(b, 1)``
        :param entropy_term: what to subtract from the next value, shape ``(b, 1)``, or nothing
        :return: what the loss reads beside the outputs, shape ``(b, k)`` or ``(n_critics, b, k)``
        """
        reduced = self.reduced(next_outputs.flatten(1, 2))
        by_action = torch.unflatten(reduced, -2, tuple(probabilities.shape))
        mean = (probabilities.unsqueeze(-1) * by_action).sum(dim=-2)
        return self.value.bootstrap(mean, rewards, discounts, entropy_term)
