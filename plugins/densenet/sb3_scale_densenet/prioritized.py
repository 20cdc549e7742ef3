"""Prioritised experience replay."""

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.replay.memory import Storage
from sb3_scale.replay.table import upload
from sb3_scale.replay.weighted import PrioritizedReplay, WeightedSamples
from sb3_scale_densenet.prioritized_contents import PrioritizedContents
from sb3_scale_densenet.sum_tree import SumTree


class PrioritizedReplayBuffer(CompactReplayBuffer, PrioritizedReplay):
    """
    Draws transitions in proportion to ``p_i = (|error_i| + eps)^alpha``, one from each of equal
    shares of their sum, and weighs their gradients by ``(N p_i / sum p)^-beta``, divided by the
    largest weight of the batch.

    ``beta`` grows linearly over the training. A new transition has the largest priority so far, or
    the one that came with it, as in Horgan et al., "Distributed Prioritized Experience Replay",
    2018, section 3.
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

    contents = PrioritizedContents
    saved_arguments = (*CompactReplayBuffer.saved_arguments, "alpha", "beta", "final_beta", "eps")

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
            n_steps,
            gamma,
        )
        for name, value in (("alpha", alpha), ("beta", beta), ("final_beta", final_beta)):
            if not 0 <= value <= 1:
                raise Sb3ScaleError(f"{name} is {value}; allowed: between 0 and 1")
        if not 0 < eps < float("inf"):
            raise Sb3ScaleError(f"eps is {eps}; allowed: above 0, and finite")
        self.alpha, self.beta, self.final_beta, self.eps = alpha, beta, final_beta, eps
        self.progress_remaining = 1.0
        self.largest = 1.0
        self.tree = SumTree(self._transitions)
        # How often each row was written; tells an error of what was overwritten since.
        self.generations = np.zeros(self._transitions, np.int32)
        self._td_errors: list[tuple[np.ndarray, th.Tensor, th.cuda.Event | None]] = []

    def reset(self) -> None:
        """Forget all transitions and their priorities."""
        super().reset()
        self.tree = SumTree(self._transitions)
        self.generations += 1
        self._td_errors.clear()
        self.largest = 1.0

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
        # Before the largest priority is read, so that it does not depend on who samples when.
        self.settle(self._lag)
        rows = self.streams.next_rows()
        super().add(obs, next_obs, action, reward, done, infos)
        self._begin(rows, self.largest)

    def _add_fragment(self, first: int, axes: int, priorities: Any, *arrays: Any) -> None:
        """
        Source: Horgan et al., 2018, section 3. Priorities are how far a critic was from its
        targets, as of ``update_priorities``, not negative; nothing for the largest so far.
        """
        shape = np.shape(arrays[3])
        given = None if priorities is None else _check_priorities(priorities, shape)
        self.settle(self._lag)
        super()._add_fragment(first, axes, None, *arrays)
        steps, streams = (*shape, 1)[:2]
        rows = self.streams.last_rows(slice(first, first + streams), steps).flatten()
        self._begin(rows, self.largest if given is None else self._powers(given).flatten())

    def _begin(self, rows: np.ndarray, priorities: np.ndarray | float) -> None:
        self.tree[rows] = priorities
        np.add.at(self.generations, rows, 1)

    def _powers(self, td_errors: np.ndarray) -> np.ndarray:
        priorities: np.ndarray = (td_errors + self.eps) ** self.alpha
        self.largest = float(priorities.max(initial=self.largest))
        return priorities

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
        if not self.streams.stored:
            raise Sb3ScaleError("replay buffer 'prioritized' is empty; allowed: after a transition")
        shares = (np.arange(batch_size) + np.random.random(batch_size)) / batch_size
        index = self.tree.find(shares)
        beta = self.final_beta + (self.beta - self.final_beta) * self.progress_remaining
        priorities = self.tree[index]
        # N and the sum are the same for all, and cancel.
        weights = ((priorities / priorities.min()) ** -beta).astype(np.float32)[:, None]
        data = self.sequences(index, env)
        return WeightedSamples(
            data.observations,
            data.actions,
            data.next_observations,
            data.dones,
            data.rewards,
            data.discounts,
            upload(weights, self.device),
            np.stack((index, self.generations[index])),
        )

    def update_priorities(self, indices: np.ndarray, td_errors: th.Tensor) -> None:
        """
        Tell how far the critic was from its targets. On a GPU it counts from the second batch
        after that one, so that nobody waits for the device.

        :param indices: that came with the batch: rows and their generations, ``(2, b)``
        :param td_errors: not negative, shape ``(b,)``
        """
        copied = th.cuda.Event() if td_errors.is_cuda else None  # type: ignore[no-untyped-call]
        self._td_errors.append((indices, td_errors.to("cpu", non_blocking=True), copied))
        if copied is not None:
            copied.record(th.cuda.current_stream(td_errors.device))

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
        while len(self._td_errors) > keep:
            (index, generations), td_errors, copied = self._td_errors.pop(0)
            if copied is not None:
                copied.synchronize()
            found = td_errors.numpy().astype(np.float64)
            if not np.isfinite(found).all():
                raise Sb3ScaleError(
                    f"{(~np.isfinite(found)).sum()} of {len(found)} errors given to replay buffer "
                    "'prioritized' are not finite; allowed: finite numbers"
                )
            kept = self.generations[index] == generations
            self.tree[index[kept]] = self._powers(np.abs(found[kept]))

    def __getstate__(self) -> dict[str, Any]:
        """Errors that are on their way are settled first."""
        self.settle()
        return super().__getstate__()


def _check_priorities(priorities: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """
    :param priorities: that came with a fragment
    :param shape: that they must have
    :return: the same in float64
    :raises Sb3ScaleError: if their number is another, or one is negative or not finite
    """
    found = np.asarray(priorities, np.float64)
    if found.shape != shape:
        raise Sb3ScaleError(f"priorities of a fragment have shape {found.shape}; allowed: {shape}")
    wrong = ~(np.isfinite(found) & (found >= 0))
    if wrong.any():
        raise Sb3ScaleError(
            f"{wrong.sum()} of {len(found)} priorities given to replay buffer 'prioritized' are "
            "negative or not finite; allowed: finite numbers, at least 0"
        )
    return found
