"""Prioritised experience replay."""

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.replay.memory import Storage
from sb3_scale.replay.normalization import normalize_rewards
from sb3_scale.replay.rows import upload
from sb3_scale.replay.weighted import WeightedSamples
from sb3_scale_densenet.sum_tree import SumTree


class PrioritizedReplayBuffer(CompactReplayBuffer):
    """
    Draws transitions in proportion to ``p_i = (|error_i| + eps)^alpha``, one from each of equal
    shares of their sum, and weighs their gradients by ``(N p_i / sum p)^-beta``, divided by the
    largest weight of the batch.

    ``beta`` grows linearly over the training. A new transition has the largest priority so far.
    Source: Schaul et al., "Prioritized Experience Replay", 2016, section 3, the proportional
    variant, which Ota et al., 2021, section 3.2 use.

    Errors change priorities when the next batch is drawn or the next transition stored, on a GPU a
    batch later, so a gradient step does not wait.

    :param buffer_size: capacity in transitions
    :param observation_space: a ``Box``
    :param action_space: of the environment
    :param device: where batches are wanted
    :param n_envs: number of environments
    :param optimize_memory_usage: must be false: nothing is stored twice here
    :param handle_timeout_termination: whether an episode that ended by a time limit counts as not
        done in batches
    :param storage: ``host``; ``device`` for the memory of a GPU; ``auto`` for a GPU's if at most
        half of what is free there is needed, else the host's. On a CPU all three are one
    :param alpha: how much the error counts; 0 draws all transitions alike
    :param beta: how far weights make up for that at the start of the training, 1 is wholly
    :param final_beta: the same at its end
    :param eps: added to errors
    :param n_steps: of the returns
    :param gamma: discount factor of the returns
    :raises Sb3ScaleError: if a parameter is out of its range, the observations are no ``Box``, or
        there is not enough memory
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        device: th.device | str = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        handle_timeout_termination: bool = True,
        storage: Storage = "auto",
        alpha: float = 0.6,
        beta: float = 0.4,
        final_beta: float = 1.0,
        eps: float = 1e-6,
        n_steps: int = 1,
        gamma: float = 0.99,
    ) -> None:
        super().__init__(
            buffer_size,
            observation_space,
            action_space,
            device,
            n_envs,
            optimize_memory_usage,
            handle_timeout_termination,
            storage,
        )
        for name, value in (
            ("alpha", alpha),
            ("beta", beta),
            ("final_beta", final_beta),
            ("gamma", gamma),
        ):
            if not 0 <= value <= 1:
                raise Sb3ScaleError(f"{name} is {value}; allowed: between 0 and 1")
        if not 0 < eps < float("inf"):
            raise Sb3ScaleError(f"eps is {eps}; allowed: above 0, and finite")
        if n_steps < 1:
            raise Sb3ScaleError(f"n_steps is {n_steps}; allowed: at least 1")
        self.alpha, self.beta, self.final_beta, self.eps = alpha, beta, final_beta, eps
        self.n_steps, self.gamma = n_steps, gamma
        self.progress_remaining = 1.0
        self.largest = 1.0
        self.tree = SumTree(self._transitions)
        # Where a sequence of several steps ends: an episode does, or the stream was cut.
        self.ends = np.zeros(self._transitions, bool)
        self.added = 0
        self._errors: list[tuple[np.ndarray, th.Tensor, th.cuda.Event | None]] = []

    def reset(self) -> None:
        """Forget all transitions and their priorities."""
        super().reset()
        self.tree = SumTree(self._transitions)
        self.ends[:] = False
        self._errors.clear()
        self.added, self.largest = 0, 1.0

    def add(
        self,
        obs: np.ndarray,
        next_obs: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        infos: list[dict[str, Any]],
    ) -> None:
        """
        Store one transition of each environment, with the largest priority so far.

        :param obs: ``(n_envs, *shape)``
        :param next_obs: ``(n_envs, *shape)``
        :param action: ``(n_envs, *action shape)``
        :param reward: ``(n_envs,)``
        :param done: ``(n_envs,)``
        :param infos: of each environment
        :raises Sb3ScaleError: if an error of a batch drawn before is not finite
        """
        index = self.pos * self.n_envs + np.arange(self.n_envs)
        # Before the largest priority is read, so that it does not depend on who samples when.
        self.settle(self._lag)
        super().add(obs, next_obs, action, reward, done, infos)
        self.tree[index] = self.largest
        self.ends[index] = done
        self.added += self.n_envs

    def sample(  # type: ignore[override]
        self, batch_size: int, env: VecNormalize | None = None
    ) -> WeightedSamples:
        """
        :param batch_size: transitions to draw
        :param env: whose statistics normalise observations and rewards
        :return: tensors of ``batch_size`` rows on the buffer's device
        :raises Sb3ScaleError: if nothing is stored, or an error of a batch drawn before is not
            finite
        """
        self.settle(self._lag)
        if not self.added:
            raise Sb3ScaleError("replay buffer 'prioritized' is empty; allowed: after a transition")
        shares = (np.arange(batch_size) + np.random.random(batch_size)) / batch_size
        index = self.tree.find(shares)
        beta = self.final_beta + (self.beta - self.final_beta) * self.progress_remaining
        priorities = self.tree[index]
        # N and the sum are the same for all, and cancel.
        weights = ((priorities / priorities.min()) ** -beta).astype(np.float32)[:, None]
        steps = self._steps(index)
        last = (index + (steps - 1) * self.n_envs) % self._transitions
        data = self.transitions(index, last, env)
        rewards, discounts = data.rewards, data.discounts
        if self.n_steps > 1:
            rewards = self._returns(index, steps, env)
            discounts = upload(self.gamma ** steps.astype(np.float32)[:, None], self.device)
        return WeightedSamples(
            data.observations,
            data.actions,
            data.next_observations,
            data.dones,
            rewards,
            discounts,
            upload(weights, self.device),
            # What is overwritten before the error arrives is told by how much was added since.
            np.stack((index, np.full(batch_size, self.added))),
        )

    def update_priorities(self, drawn: np.ndarray, errors: th.Tensor) -> None:
        """
        Tell how far the critic was from its targets. On a GPU it counts from the second batch
        after that one, so that nobody waits for the device.

        :param drawn: that came with the batch
        :param errors: not negative, shape ``(b,)``
        """
        copied = th.cuda.Event() if errors.is_cuda else None  # type: ignore[no-untyped-call]
        self._errors.append((drawn, errors.to("cpu", non_blocking=True), copied))
        if copied is not None:
            copied.record()

    @property
    def _lag(self) -> int:
        """Batches whose errors a GPU may still compute, and nobody waits for."""
        return int(self.device.type == "cuda")

    def settle(self, keep: int = 0) -> None:
        """
        Put errors into the tree.

        :param keep: how many of the newest batches to leave for later
        :raises Sb3ScaleError: if an error is not finite
        """
        while len(self._errors) > keep:
            (index, added), errors, copied = self._errors.pop(0)
            if copied is not None:
                copied.synchronize()
            found = errors.numpy().astype(np.float64)
            if not np.isfinite(found).all():
                raise Sb3ScaleError(
                    f"{(~np.isfinite(found)).sum()} of {len(found)} errors given to replay buffer "
                    "'prioritized' are not finite; allowed: finite numbers"
                )
            # Rows are written in the order of a ring.
            overwritten = (index - added) % self._transitions < self.added - added
            priorities = (np.abs(found[~overwritten]) + self.eps) ** self.alpha
            self.tree[index[~overwritten]] = priorities
            self.largest = float(priorities.max(initial=self.largest))

    def _steps(self, index: np.ndarray) -> np.ndarray:
        """How many steps each sequence has, at most ``n_steps`` and within an episode."""
        if self.n_steps == 1:
            return np.ones(len(index), np.int64)
        sequence = self._sequence(index)
        ends = self.ends[sequence] | ~self._successors.follow(sequence)
        ends[:, -1] = True
        steps: np.ndarray = ends.argmax(axis=1) + 1
        return steps

    def _sequence(self, index: np.ndarray) -> np.ndarray:
        steps = np.arange(self.n_steps) * self.n_envs
        sequence: np.ndarray = (index[:, None] + steps) % self._transitions
        return sequence

    def _returns(self, index: np.ndarray, steps: np.ndarray, env: VecNormalize | None) -> th.Tensor:
        """``sum_k gamma^k r_(t+k)`` over each sequence, shape ``(b, 1)``."""
        where = upload(self._sequence(index).reshape(-1), self._table.place)
        rewards = self._table.gather("outcome", where, pinned=False)[:, :1]
        if env is not None:
            rewards = normalize_rewards(rewards, env)
        within = np.arange(self.n_steps) < steps[:, None]
        discounts = np.where(within, self.gamma ** np.arange(self.n_steps), 0).astype(np.float32)
        weighted = rewards.view(len(index), -1) * upload(discounts, rewards.device)
        return weighted.sum(dim=1, keepdim=True).to(self.device, non_blocking=True)

    def __getstate__(self) -> dict[str, Any]:
        """Errors that are on their way are settled first."""
        self.settle()
        return super().__getstate__()
