"""Finished episodes, for a loss that adjusts itself to their returns."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch as th
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale.collection.episodes import (
    EpisodeRecorder,
    Finished,
    Observation,
    discounted_returns,
)
from sb3_scale.learning.actor_critic import Objective
from sb3_scale.learning.update import Metrics
from sb3_scale.policies import ScalePolicy


class Calibration:
    """
    Tells a loss that is ``calibrated`` of finished episodes.

    At most one per ``train`` call, the latest, before its gradient steps; none before the first.

    :param policy: with the loss
    :param objective: of the algorithm
    :param gamma: gives the discount of a step
    :param vec_normalize: gives what normalises observations and rewards, if anything does
    """

    def __init__(
        self,
        policy: ScalePolicy,
        objective: Objective,
        gamma: Callable[[], float],
        vec_normalize: Callable[[], VecNormalize | None],
    ) -> None:
        self._policy = policy
        self._objective = objective
        self._gamma = gamma
        self._vec_normalize = vec_normalize
        self._buffer: ReplayBuffer | None = None
        self._recorder: EpisodeRecorder | None = None

    def restart(self, streams: np.ndarray | None = None) -> None:
        """
        Environments begin anew: what was recorded of them does not go on.

        :param streams: which, ``(k,)``; nothing for all of them
        """
        if streams is None:
            self._buffer = self._recorder = None
        elif self._recorder is not None:
            self._recorder.restart(streams)

    def recorder(self, buffer: ReplayBuffer) -> EpisodeRecorder:
        """
        :param buffer: that stores the transitions
        :return: records what is stored in it
        """
        if self._recorder is None or self._buffer is not buffer:
            self._buffer = buffer
            bootstraps = getattr(buffer, "handle_timeout_termination", True)
            self._recorder = EpisodeRecorder(buffer.n_envs, bootstraps)
        return self._recorder

    def calibrate(self, n_updates: int) -> Metrics:
        """
        Tell the loss of the latest episode that has ended since the last call.

        :param n_updates: gradient steps so far; before the first, Q is that of the initial weights
        :return: scalars to log
        """
        if self._recorder is None or self._recorder.finished is None:
            return {}
        episode, self._recorder.finished = self._recorder.finished, None
        if n_updates == 0:
            return {}
        found: Metrics = self._policy.loss.calibrate(*self.values_and_returns(episode))
        return found

    @th.no_grad()
    def values_and_returns(self, episode: Finished) -> tuple[th.Tensor, th.Tensor]:
        """
        Compare Q with what came after it. An episode that was cut goes on with Q at its last state.

        :param episode: one that has ended
        :return: Q of its pairs, as the reduction combines the critics for the actor, and the
            discounted returns in the same units, each ``(t,)``
        """
        policy = self._policy
        observations = [step.observation for step in episode.transitions] + [episode.last]
        states = self._tensors(observations)
        features = policy.features(states)
        own = policy.actor_target is policy.actor
        # What would be done there now.
        present, entropy_term = self._objective.next_actions(
            policy, features if own else policy.target_features(states)
        )
        taken = th.as_tensor(np.stack([step.action for step in episode.transitions]))
        last = self._objective.evaluation.chosen(policy, present[-1:])
        actions = th.cat((taken.to(last), last))
        values = policy.critic.judge(policy.critic_outputs(features, actions)).flatten()

        rewards = np.array([step.reward for step in episode.transitions])
        normalize = self._vec_normalize()
        if normalize is not None:
            rewards = normalize.normalize_reward(rewards)
        rewards = policy.scaled_rewards(rewards)
        bonuses = np.zeros(len(actions))
        if entropy_term is not None:
            bonuses -= entropy_term.flatten().double().cpu().numpy()
        end = 0.0 if episode.terminated else float(values[-1])
        bonuses[-1] *= not episode.terminated
        returns = discounted_returns(np.append(rewards, end), bonuses, self._gamma())
        return values[:-1], th.as_tensor(returns[:-1]).to(values)

    def _tensors(self, observations: list[Observation]) -> Any:
        first = observations[0]
        if isinstance(first, dict):
            stacked: Any = {key: np.stack([each[key] for each in observations]) for key in first}
        else:
            stacked = np.stack(observations)
        normalize = self._vec_normalize()
        if normalize is not None:
            stacked = normalize.normalize_obs(stacked)
        return self._policy.obs_to_tensor(stacked)[0]
