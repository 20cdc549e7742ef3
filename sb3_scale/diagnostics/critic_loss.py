"""The critic's loss over the replay buffer."""

import torch as th

from sb3_scale.diagnostics.diagnostic import Diagnostic
from sb3_scale.diagnostics.randomness import own_random_numbers
from sb3_scale.errors import check_at_least
from sb3_scale.learning.batch import Step


class CriticLoss(Diagnostic):
    """
    Mean loss of the critic over batches of the replay buffer, which plays the role of the training
    loss of supervised learning.

    Batches are drawn, transformed and evaluated as those of the update, of the same size, since a
    norm may depend on it, and without a gradient step between them. Source: Bjorck et al., "Towards
    Deeper Deep Reinforcement Learning with Spectral Normalization", 2021, section 3.4 and figure 3.

    :param interval: environment steps (decisions) from one measurement to the next
    :param batches: number of batches
    """

    key = "critic_loss"

    def __init__(self, interval: int = 1000, batches: int = 4) -> None:
        super().__init__(interval)
        check_at_least(1, batches=batches)
        self.batches = batches

    @th.no_grad()
    def measure(self) -> None:
        """Draw the batches and log their mean loss."""
        model = self.model
        loss = model.training.actor_critic.critic_loss
        with own_random_numbers(model.num_timesteps, model.device):
            drawn = (Step(model.sample(model.batch_size)) for _ in range(self.batches))
            losses = [loss(step)[0] for step in drawn]
        self.record("mean", th.stack(losses).mean().item())
