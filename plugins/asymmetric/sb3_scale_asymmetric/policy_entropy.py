"""Log-probability and entropy of the policy per dimension of the action."""

import math

import torch as th

from sb3_scale.diagnostics.diagnostic import Diagnostic
from sb3_scale.diagnostics.randomness import own_random_numbers
from sb3_scale.diagnostics.replay import replay_batch
from sb3_scale.errors import Sb3ScaleError, check_at_least


class PolicyEntropy(Diagnostic):
    """
    Mean ``log pi(a | s)`` over the states of a replay batch, one sampled action each, and what it
    is per dimension of the action: ``entropy_per_dimension = -mean log pi(a | s) / n``.

    Actions count between -1 and 1, whatever the environment's bounds: the entropy per dimension is
    at most log 2 = 0.69, that of the uniform distribution, and without lower bound where the policy
    collapses to one action. It is an estimate without bias where ``action_log_prob`` is exact, as
    for ``squashed-gaussian``, ``conditional-flow`` and actors of discrete actions, whose entropy is
    at most the logarithm of the number of joint actions. ``variational`` has a bound: its figure of
    log pi is too large and its entropy too small, by the divergence of its posterior network from
    the true posterior.
    Source: Hui, 2022, section 2.4, figure 2.8.

    :param interval: environment steps (decisions) from one measurement to the next
    :param batch_size: number of states
    """

    key = "policy_entropy"

    def __init__(self, interval: int = 1000, batch_size: int = 1024) -> None:
        super().__init__(interval)
        check_at_least(1, batch_size=batch_size)
        self.batch_size = batch_size

    def _on_training_start(self) -> None:
        super()._on_training_start()
        policy = self.model.policy
        if not policy.actor.stochastic:
            name = policy.parts["actor"]
            raise Sb3ScaleError(
                f"callback 'policy-entropy' needs log-probabilities, and the actor is {name!r}; "
                "allowed: stochastic actors, such as 'squashed-gaussian'"
            )

    @th.no_grad()
    def measure(self) -> None:
        """Draw a batch and an action for each state, and log the means."""
        policy = self.model.policy
        data = replay_batch(self.model, self.batch_size)
        read = policy.actor_inputs(policy.features(data.observations))
        with own_random_numbers(self.model.num_timesteps, self.model.device):
            _, log_probs = policy.actor.action_log_prob(read)
        log_prob = float(log_probs.mean())
        n_dimensions = math.prod(policy.action_space.shape)
        self.record("log_prob", log_prob)
        self.record("log_prob_per_dimension", log_prob / n_dimensions)
        self.record("entropy_per_dimension", -log_prob / n_dimensions)
