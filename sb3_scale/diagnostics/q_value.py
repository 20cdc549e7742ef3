"""Action values of replayed transitions."""

import torch as th

from sb3_scale.diagnostics.diagnostic import Diagnostic
from sb3_scale.diagnostics.replay import replay_batch
from sb3_scale.errors import check_at_least


class QValue(Diagnostic):
    """
    Mean and standard deviation of Q(s, a) over a replay batch, with the batch's own actions.

    Q is combined over the critics as the reduction does for the actor, in evaluation mode, and in
    units of the rewards that the critic learns from. TensorBoard gets a histogram of the values,
    too.

    :param interval: environment steps (decisions) from one measurement to the next
    :param batch_size: number of transitions
    """

    key = "q_value"

    def __init__(self, interval: int = 1000, batch_size: int = 256) -> None:
        super().__init__(interval)
        check_at_least(1, batch_size=batch_size)
        self.batch_size = batch_size

    @th.no_grad()
    def measure(self) -> None:
        """Draw a batch and log its values."""
        data = replay_batch(self.model, self.batch_size)
        policy = self.model.policy
        outputs = policy.critic_outputs(policy.features(data.observations), data.actions)
        values = policy.critic.judge(outputs)
        mean, std = th.stack([values.mean(), values.std(correction=0)]).tolist()
        self.record("mean", mean)
        self.record("std", std)
        self.record_histogram("all", values)
