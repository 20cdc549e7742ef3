"""Returns of finished episodes, for a loss that adjusts itself to them."""

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch as th
from numpy.typing import NDArray
from stable_baselines3.common.buffers import ReplayBuffer

from sb3_scale.algorithms.batch import Batch
from sb3_scale.algorithms.update import SharedUpdate
from sb3_scale.errors import Sb3ScaleError

FloatArray = NDArray[np.float64]
Observation = Any
"""An array, or a mapping of arrays."""

LONGEST = 1000
"""Pairs of an episode that count, its last: the memory of episodes, and of one pass through Q."""


@dataclass
class Transition:
    """
    One step of one environment, before normalisation.

    :param observation: at the start
    :param action: in [-1, 1], ``(action_dim,)``
    :param reward: of the environment
    """

    observation: Observation
    action: np.ndarray
    reward: float


@dataclass
class Finished:
    """
    An episode as it was played.

    :param transitions: of its last steps, at most ``LONGEST``
    :param last: the observation that it ended with
    :param terminated: whether it ended, rather than was cut
    """

    transitions: deque[Transition]
    last: Observation
    terminated: bool


class Recorder:
    """
    Takes what the replay buffer takes, and keeps the present episodes and the latest finished one.

    :param buffer: the replay buffer
    """

    def __init__(self, buffer: ReplayBuffer) -> None:
        self.buffer = buffer
        self.finished: Finished | None = None
        self._bootstraps = getattr(buffer, "handle_timeout_termination", True)
        self._running = [_no_steps() for _ in range(buffer.n_envs)]

    def add(
        self,
        obs: Any,
        next_obs: Any,
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """
        Record and store one transition of each environment.

        :param obs: ``(n_envs, *shape)``
        :param next_obs: ``(n_envs, *shape)``, the last one of the episode where ``done``
        :param action: ``(n_envs, *action shape)``
        :param reward: ``(n_envs,)``
        :param done: ``(n_envs,)``
        :param infos: of each environment
        """
        for index, running in enumerate(self._running):
            taken = action[index].flatten()
            running.append(Transition(_row(obs, index), taken, float(reward[index])))
            if done[index]:
                cut = self._bootstraps and infos[index].get("TimeLimit.truncated", False)
                self.finished = Finished(running, _row(next_obs, index), not cut)
                self._running[index] = _no_steps()
        self.buffer.add(obs, next_obs, action, reward, done, infos)


class Calibrated(SharedUpdate):
    """
    Tells a loss that is a :class:`sb3_scale.protocols.CalibratedLoss` of finished episodes.

    At most one per ``train`` call, the latest, before its gradient steps; none before the first.
    """

    _recorder: Recorder | None = None

    def _check_calibration(self) -> None:
        soft = getattr(self, "backup_entropy", False)
        n_steps = max(self.n_steps, getattr(self.replay_buffer, "n_steps", 1))
        if hasattr(self.policy.loss, "calibrate") and soft and n_steps > 1:
            raise Sb3ScaleError(
                f"n_steps is {n_steps}, and loss {self.policy.parts['loss']!r} compares Q "
                "with returns that have the entropy of each step; allowed: 1, or backup_entropy: "
                "false"
            )

    def _setup_learn(self, *args: Any, **kwargs: Any) -> Any:
        before = self._last_obs
        prepared = super()._setup_learn(*args, **kwargs)
        if self._last_obs is not before:
            # The environments began anew: what was recorded does not go on.
            self._recorder = None
        return prepared

    def _store_transition(self, replay_buffer: ReplayBuffer, *args: Any, **kwargs: Any) -> None:
        if hasattr(getattr(self.policy, "loss", None), "calibrate"):
            if self._recorder is None or self._recorder.buffer is not replay_buffer:
                self._recorder = Recorder(replay_buffer)
            replay_buffer = self._recorder  # type: ignore[assignment]
        super()._store_transition(replay_buffer, *args, **kwargs)

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """
        Update the policy, and the loss first if an episode has ended.

        :param gradient_steps: number of batches
        :param batch_size: transitions per batch
        """
        if self._recorder is not None and self._recorder.finished is not None:
            episode, self._recorder.finished = self._recorder.finished, None
            # Before the first gradient step Q is that of the initial weights.
            if self._n_updates > 0:
                self._calibrate(episode)
        super().train(gradient_steps, batch_size)

    def _calibrate(self, episode: Finished) -> None:
        values, returns = self.values_and_returns(episode)
        for name, value in self.policy.loss.calibrate(values, returns).items():
            self.logger.record(f"calibration/{name}", float(value))

    @th.no_grad()
    def values_and_returns(self, episode: Finished) -> tuple[th.Tensor, th.Tensor]:
        """
        Compare Q with what came after it. An episode that was cut goes on with Q at its last state.

        :param episode: one that has ended
        :return: Q of its pairs, as the bootstrap target combines the critics, and the discounted
            returns in the same units, each ``(t,)``
        """
        policy, critic = self.policy, self.policy.critic
        observations = [step.observation for step in episode.transitions] + [episode.last]
        states = self._tensors(observations)
        features = policy.features(states)
        # As a batch whose next states are those of the episode: what would be done there now.
        batch = Batch(states, states, features, features, features, self.gamma)
        batch.next_features = policy.target_features(states)
        present, penalty = self.next_actions(batch)
        taken = th.as_tensor(np.stack([step.action for step in episode.transitions]))
        actions = th.cat((taken.to(present), present[-1:]))
        values = critic.reduce(critic.value(policy.critic_outputs(features, actions)))
        values = values.reshape(-1, len(actions)).mean(dim=0)

        rewards = np.array([step.reward for step in episode.transitions])
        if self._vec_normalize_env is not None:
            rewards = self._vec_normalize_env.normalize_reward(rewards)
        bonuses = np.zeros(len(actions))
        if penalty is not None:
            bonuses -= penalty.flatten().double().cpu().numpy()
        end = 0.0 if episode.terminated else float(values[-1])
        bonuses[-1] *= not episode.terminated
        returns = discounted_returns(np.append(rewards, end), bonuses, self.gamma)
        return values[:-1], th.as_tensor(returns[:-1]).to(values)

    def _tensors(self, observations: list[Observation]) -> Any:
        first = observations[0]
        if isinstance(first, dict):
            stacked: Any = {key: np.stack([each[key] for each in observations]) for key in first}
        else:
            stacked = np.stack(observations)
        if self._vec_normalize_env is not None:
            stacked = self._vec_normalize_env.normalize_obs(stacked)
        return self.policy.obs_to_tensor(stacked)[0]

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_recorder"]


def _no_steps() -> deque[Transition]:
    return deque(maxlen=LONGEST)


def _row(observations: Any, index: int) -> Observation:
    if isinstance(observations, dict):
        return {key: value[index].copy() for key, value in observations.items()}
    return observations[index].copy()


def discounted_returns(rewards: FloatArray, bonuses: FloatArray, gamma: float) -> FloatArray:
    """
    ``G_t = r_t + gamma (G_{t+1} + bonus_{t+1})``: the action at t is given, so its own bonus is no
    part of it.

    :param rewards: ``(t,)``
    :param bonuses: ``(t,)``
    :param gamma: discount
    :return: ``(t,)``
    """
    returns = rewards.copy()
    for step in range(len(rewards) - 2, -1, -1):
        returns[step] += gamma * (returns[step + 1] + bonuses[step + 1])
    return returns
