"""Where the batches of a gradient step come from."""

from typing import Any

from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

from sb3_scale.algorithms.batch import Batch, Transitions
from sb3_scale.policies import ScalePolicy
from sb3_scale.replay.one_step import sample_single_steps
from sb3_scale.replay.weighted import has_priorities


class Sampling(OffPolicyAlgorithm):
    """Draws from the replay buffer, whatever it gives."""

    policy: ScalePolicy

    def sample(self, batch_size: int) -> Batch:
        """
        Draw transitions.

        :param batch_size: number of transitions
        :return: the batch, without features
        """
        buffer: Any = self.replay_buffer
        weighted = has_priorities(buffer)
        if weighted:
            buffer.progress_remaining = self._current_progress_remaining
        data = buffer.sample(batch_size, env=self._vec_normalize_env)
        batch = Batch(
            data.observations,
            data.next_observations,
            data.actions,
            data.rewards,
            1 - data.dones,
            self.gamma if data.discounts is None else data.discounts,
        )
        if weighted:
            batch.importance_weights, batch.indices = data.importance_weights, data.indices
        if self.policy.learns_apart:
            batch.auxiliary = self.sample_transitions(batch_size)
        return batch

    def sample_transitions(self, batch_size: int) -> Transitions:
        """
        Draw single steps, all alike.

        :param batch_size: number of transitions
        :return: what an extractor that learns apart sees
        """
        data = sample_single_steps(self.replay_buffer, batch_size, self._vec_normalize_env)
        return Transitions(data.observations, data.actions, data.next_observations)
