"""Action values."""

from typing import Literal

import torch
from torch import Tensor

from sb3_scale.errors import check_at_least
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.nn.weights import ConstrainedModule, Init
from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig


class EnsembleCritic(ConstrainedModule):
    """
    ``n_critics`` networks of features and actions with a linear output.

    Two critics and ``min`` are the clipped double Q-learning of Fujimoto et al., 2018, equation 10,
    as SAC and TD3 of Stable-Baselines3 use it.

    :param features_dim: width of the features
    :param action_dim: number of actions
    :param n_critics: size of the ensemble
    :param network: hidden layers
    :param constraint: rule that the weights of all layers obey
    :param reduction: how the members' estimates combine in the bootstrap target and for the actor:
        ``min``, ``mean``, or ``none`` where each member has its own target
    :param target: whether a Polyak copy computes the bootstrap target, or the critic itself
    :param joint_batch: whether the update passes [s, a ; s', a'] through the critic at once, in
        training mode (CrossQ), instead of two passes
    :param n_outputs: outputs per member, whose mean is the value; 1 for all but distributional
        losses
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
        reduction: Literal["min", "mean", "none"] = "min",
        target: bool = True,
        joint_batch: bool = False,
        n_outputs: int = 1,
        init: Init = "default",
        output_gain: float = 1.0,
    ) -> None:
        super().__init__()
        check_at_least(1, n_critics=n_critics, n_outputs=n_outputs)
        self.n_critics = n_critics
        self.reduction = reduction
        self.target = target
        self.joint_batch = joint_batch
        self.network = build("network", network, features_dim + action_dim, n_critics)
        self.output = EnsembleLinear(self.network.out_features, n_outputs, n_critics)
        self.finish(init, constraint, output_gain)

    def forward(self, features: Tensor, actions: Tensor, training: bool = False) -> Tensor:
        """
        :param features: shape ``(batch, features_dim)``
        :param actions: shape ``(batch, action_dim)``
        :param training: whether norms use the statistics of this batch
        :return: shape ``(n_critics, batch, n_outputs)``
        """
        x = torch.cat((features, actions), dim=-1).expand(self.n_critics, -1, -1)
        outputs: Tensor = self.output(self.network(x, training))
        return outputs

    def value(self, outputs: Tensor) -> Tensor:
        """
        :param outputs: shape ``(n_critics, batch, n_outputs)``
        :return: their mean, shape ``(n_critics, batch, 1)``
        """
        return outputs if outputs.shape[-1] == 1 else outputs.mean(dim=-1, keepdim=True)

    def reduce(self, values: Tensor) -> Tensor:
        """
        :param values: shape ``(n_critics, batch, k)``
        :return: minimum or mean over the critics, shape ``(batch, k)``, or the values as they are
        """
        if self.reduction == "none":
            return values
        return values.amin(dim=0) if self.reduction == "min" else values.mean(dim=0)
