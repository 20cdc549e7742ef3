"""The deterministic actor as a distribution of fixed width."""

from typing import Any

import torch
from torch import Tensor

from sb3_scale.errors import check_above
from sb3_scale.extending import extends
from sb3_scale.nn.actors import DeterministicActor


class NoisyDeterministicActor(DeterministicActor):
    """
    ``a = clip(tanh(mu(s)) + clip(eps, -c, c), -1, 1)`` with ``eps ~ N(0, std^2)``.

    The deterministic policy as Hui, 2022, section 2.1.2, has it: the noise is part of it. So the
    actor's loss is an estimate of ``-E_eps Q(s, a)`` from one sample for each state, and the target
    reads a sample at ``s'``; with the plain deterministic actor both are without noise. It explores
    by the same noise, so ``noise_type`` stays away. The mode is ``tanh(mu(s))``. A sample that
    leaves the box has no gradient. (DrQ-v2 clips its noise at 0.3 in the losses only, and lets the
    gradient through.)

    :param std: standard deviation of the noise, of actions between -1 and 1
    :param noise_clip: largest size of the noise, if it is bounded
    """

    @extends(DeterministicActor)
    def __init__(
        self, *args: Any, std: float = 0.2, noise_clip: float | None = None, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        check_above(0, std=std)
        if noise_clip is not None:
            check_above(0, noise_clip=noise_clip)
        self.std = std
        self.noise_clip = noise_clip

    def forward(
        self, features: Tensor, deterministic: bool = False, training: bool = False
    ) -> Tensor:
        """
        :param features: shape ``(batch, features_dim)``
        :param deterministic: whether to return the mode instead of a sample
        :param training: whether norms use the statistics of this batch
        :return: actions in [-1, 1], shape ``(batch, action_dim)``
        """
        actions = super().forward(features, training=training)
        if deterministic:
            return actions
        noise = self.std * torch.randn_like(actions)
        if self.noise_clip is not None:
            noise = noise.clamp(-self.noise_clip, self.noise_clip)
        return (actions + noise).clamp(-1, 1)
