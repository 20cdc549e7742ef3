"""Effective rank of the critic's features."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch as th
from torch import nn

from sb3_scale.diagnostics.diagnostic import Diagnostic
from sb3_scale.diagnostics.replay import replay_batch
from sb3_scale.diagnostics.singular_values import singular_values
from sb3_scale.errors import Sb3ScaleError, check_at_least
from sb3_scale.nn.linear import linear_layers


class EffectiveRank(Diagnostic):
    """
    ``srank_delta``, the least number of singular values that make up the share ``1 - delta`` of
    the sum of all, of the features that the critic's last linear layer reads on a replay batch; the
    mean over critics. The logged share is that of the greatest rank there could be. TensorBoard
    gets a histogram of the singular values, too.

    Source: Kumar et al., "Implicit Under-Parameterization Inhibits Data-Efficient Deep
    Reinforcement Learning", 2021, as Ota et al., "Training Larger Networks for Deep Reinforcement
    Learning", 2021, appendix A.4, use it, who print no size of the batch.

    :param interval: environment steps (decisions) from one measurement to the next
    :param batch_size: transitions per measurement, no more than there are
    :param delta: share of the singular values' sum that is left out
    """

    key = "effective_rank"

    def __init__(self, interval: int = 10_000, batch_size: int = 2048, delta: float = 0.01) -> None:
        super().__init__(interval)
        check_at_least(1, batch_size=batch_size)
        if not 0 < delta < 1:
            raise ValueError(f"delta is {delta}; allowed: between 0 and 1, both excluded")
        self.batch_size = batch_size
        self.delta = delta

    def _on_training_start(self) -> None:
        super()._on_training_start()
        if not linear_layers(self.model.policy.critic):
            raise Sb3ScaleError(
                "callback 'effective-rank' finds no ensemble linear layer in the critic; allowed: "
                "a critic of sb3_scale.nn.linear.EnsembleLinear"
            )

    @th.no_grad()
    def measure(self) -> None:
        """Draw a batch and log the rank."""
        buffer = self.model.replay_buffer
        size = min(self.batch_size, buffer.size() * buffer.n_envs)
        data = replay_batch(self.model, size)
        policy = self.model.policy
        features = policy.features(data.observations)
        with inputs_of(linear_layers(policy.critic)[-1]) as inputs:
            policy.critic_outputs(features, data.actions)
        (last,) = inputs
        # Much faster than svdvals, and its loss of digits is below what float32 features have lost.
        values = singular_values(last.double())
        ranks = rank_of(values, self.delta).double()
        self.record("mean", ranks.mean().item())
        self.record("share", (ranks.mean() / min(last.shape[1:])).item())
        self.record_histogram("singular_values", values)


@contextmanager
def inputs_of(layer: nn.Module) -> Iterator[list[th.Tensor]]:
    """
    Keep what a layer reads during the block.

    :param layer: the layer
    :return: its inputs, one per pass
    """
    inputs: list[th.Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    try:
        yield inputs
    finally:
        handle.remove()


def rank_of(values: th.Tensor, delta: float) -> th.Tensor:
    """
    :param values: singular values of each member, ascending, shape ``(m, k)``
    :param delta: share of their sum that is left out
    :return: effective rank of each member, shape ``(m,)``
    """
    share = values.flip(1).cumsum(dim=1) / values.sum(dim=1, keepdim=True).clamp(min=1e-300)
    ranks = (share < 1 - delta).sum(dim=1) + 1
    # Features that are all zero have no singular value to count.
    alive: th.Tensor = ranks * (values[:, -1] > 0)
    return alive
