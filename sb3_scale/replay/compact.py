"""A replay buffer that stores each observation once."""

from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.replay.memory import Storage, choose_place, fits_on_device
from sb3_scale.replay.normalization import normalize_observations, normalize_rewards
from sb3_scale.replay.rows import HOST, Rows, row_type, upload
from sb3_scale.replay.successors import Successors


class CompactReplayBuffer(ReplayBuffer):
    """
    Gives the batches of ``stable_baselines3.common.buffers.ReplayBuffer``, bit for bit under one
    seed, from 0.54 of its memory in the dog's size: 1060 bytes per transition instead of 1948.

    A next observation is the observation of the following transition of the same environment; only
    where that differs, at the end of an episode or where the stream was cut, it is stored beside.
    A transition is one row: observation, action, reward, done, timeout. Indices are drawn on the
    host, so batches do not depend on where the rows are.

    ``observations``, ``actions``, ``rewards``, ``dones`` and ``timeouts`` are those of
    Stable-Baselines3: on the host the memory itself, on a GPU copies that cannot be written to.
    ``next_observations`` is always such a copy. Made for ``Box`` observations; for ``Dict`` there
    is Stable-Baselines3's ``DictReplayBuffer``, for n-step returns its ``NStepReplayBuffer``.

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
    :raises Sb3ScaleError: if a parameter is out of its range, the observations are no ``Box``, or
        there is not enough memory
    """

    _rows: Rows | None = None

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
    ) -> None:
        # Past ReplayBuffer's, which would make its arrays.
        super(ReplayBuffer, self).__init__(
            buffer_size, observation_space, action_space, device, n_envs
        )
        if not isinstance(observation_space, spaces.Box):
            raise Sb3ScaleError(
                f"{type(self).__name__} cannot store {type(observation_space).__name__} "
                "observations; allowed: Box"
            )
        if optimize_memory_usage:
            raise Sb3ScaleError(
                f"optimize_memory_usage is True, and {type(self).__name__} stores nothing twice; "
                "allowed: False"
            )
        self.buffer_size = max(buffer_size // n_envs, 1)
        self.optimize_memory_usage = False
        self.handle_timeout_termination = handle_timeout_termination
        self.storage = storage
        self.row = row_type(observation_space, action_space)
        place = choose_place(storage, self.device, self._transitions, self.transition_bytes)
        self._rows = Rows(self._transitions, self.row, place)
        observation = self.row["observation"]
        self._successors = Successors(
            self.buffer_size, n_envs, observation.shape[0], observation.base
        )

    @property
    def _transitions(self) -> int:
        return self.buffer_size * self.n_envs

    @property
    def transition_bytes(self) -> int:
        """Bytes per transition, but for next observations that the following row does not hold."""
        return self.row.itemsize + np.dtype(np.int32).itemsize

    def summary(self) -> str:
        """
        :return: one sentence on the memory it takes, and where
        """
        place = self._table.place
        return (
            f"Replay buffer: {self._transitions} transitions of {self.transition_bytes} bytes, "
            f"{self._transitions * self.transition_bytes / 1e9:.2f} GB on "
            + ("the host" if place == HOST else str(place))
        )

    @property
    def _table(self) -> Rows:
        assert self._rows is not None
        return self._rows

    @property
    def device(self) -> th.device:
        """Where batches are wanted; Stable-Baselines3 sets it after loading."""
        return self._device

    @device.setter
    def device(self, device: th.device) -> None:
        self._device = device
        if self._rows is None:
            return
        size = (self._transitions, self.transition_bytes)
        place = device if fits_on_device(self.storage, device, *size) else HOST
        if place != self._rows.place:
            old, self._rows = self._rows, Rows(self._transitions, self.row, place)
            self._rows.bytes.copy_(old.bytes)

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
        Store one transition of each environment.

        :param obs: ``(n_envs, *shape)``
        :param next_obs: ``(n_envs, *shape)``
        :param action: ``(n_envs, *action shape)``
        :param reward: ``(n_envs,)``
        :param done: ``(n_envs,)``
        :param infos: of each environment; ``TimeLimit.truncated`` marks the end by a time limit
        """
        rows = np.zeros(self.n_envs, self.row)
        rows["observation"] = np.reshape(obs, (self.n_envs, -1))
        rows["action"] = np.reshape(action, (self.n_envs, -1))
        outcome = rows["outcome"]
        outcome[:, 0] = reward
        outcome[:, 1] = done
        if self.handle_timeout_termination:
            outcome[:, 2] = [info.get("TimeLimit.truncated", False) for info in infos]
        observations = np.ascontiguousarray(rows["observation"])
        self._successors.add(self.pos, observations, np.reshape(next_obs, (self.n_envs, -1)))
        self._table.write(self.pos * self.n_envs, rows)
        self.pos += 1
        if self.pos == self.buffer_size:
            self.full = True
            self.pos = 0

    def _get_samples(
        self, batch_inds: np.ndarray, env: VecNormalize | None = None
    ) -> ReplayBufferSamples:
        # Stable-Baselines3 draws the environments here, after the rows.
        env_inds = np.random.randint(0, high=self.n_envs, size=(len(batch_inds),))
        index = batch_inds * self.n_envs + env_inds
        return self.transitions(index, index, env)

    def sample_single_steps(
        self, batch_size: int, env: VecNormalize | None = None
    ) -> ReplayBufferSamples:
        """
        Draw transitions of one step, all alike, whatever ``sample`` of a subclass gives.

        :param batch_size: transitions to draw
        :param env: whose statistics normalise observations and rewards
        :return: tensors of ``batch_size`` rows on the buffer's device
        """
        index = np.random.randint(0, self.size() * self.n_envs, batch_size)
        return self.transitions(index, index, env)

    def transitions(
        self, index: np.ndarray, last: np.ndarray, env: VecNormalize | None = None
    ) -> ReplayBufferSamples:
        """
        Read transitions, or sequences of them.

        :param index: of the first transition of each, ``row * n_envs + environment``, ``(b,)``
        :param last: of the last one, likewise; it gives next observation, reward and done
        :param env: whose statistics normalise observations and rewards
        :return: tensors of ``b`` rows on the buffer's device
        """
        following = (last + self.n_envs) % self._transitions
        table, size = self._table, len(index)
        pinned = table.place != self.device and self.device.type == "cuda"
        where = upload(np.concatenate((index, following)), table.place)
        pairs = table.gather("observation", where, pinned)
        positions, elsewhere = self._successors.elsewhere(last)
        if len(positions):
            pairs.index_copy_(
                0, upload(positions + size, table.place), upload(elsewhere, table.place)
            )
        actions = table.gather("action", where[:size], pinned)
        ends = where[:size] if last is index else upload(last, table.place)
        outcome = table.gather("outcome", ends, pinned)
        rewards, dones, timeouts = outcome.t().contiguous().unsqueeze(2)
        dones = dones * (1 - timeouts)
        if env is not None:
            pairs = normalize_observations(pairs, self.obs_shape, env)
            rewards = normalize_rewards(rewards, env)
        pairs, actions, dones, rewards = (
            tensor.to(self.device, non_blocking=True) for tensor in (pairs, actions, dones, rewards)
        )
        observations, next_observations = pairs.view(2, size, *self.obs_shape)
        return ReplayBufferSamples(observations, actions, next_observations, dones, rewards)

    def _array(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        return self._table.to_numpy(name).reshape(self.buffer_size, self.n_envs, *shape)

    @property
    def observations(self) -> np.ndarray:  # type: ignore[override]
        """``(buffer_size, n_envs, *shape)``."""
        return self._array("observation", self.obs_shape)

    @property
    def actions(self) -> np.ndarray:  # type: ignore[override]
        """``(buffer_size, n_envs, action_dim)``."""
        return self._array("action", (self.action_dim,))

    @property
    def rewards(self) -> np.ndarray:  # type: ignore[override]
        """``(buffer_size, n_envs)``."""
        return self._array("outcome", (3,))[..., 0]

    @property
    def dones(self) -> np.ndarray:  # type: ignore[override]
        """``(buffer_size, n_envs)``."""
        return self._array("outcome", (3,))[..., 1]

    @property
    def timeouts(self) -> np.ndarray:  # type: ignore[override]
        """``(buffer_size, n_envs)``."""
        return self._array("outcome", (3,))[..., 2]

    @property
    def next_observations(self) -> np.ndarray:  # type: ignore[override]
        """``(buffer_size, n_envs, *shape)``, a copy that cannot be written to."""
        found = np.roll(self.observations, -1, axis=0).reshape(self._transitions, -1)
        positions, elsewhere = self._successors.elsewhere(np.arange(self._transitions))
        found[positions] = elsewhere
        found.flags.writeable = False
        return found.reshape(self.buffer_size, self.n_envs, *self.obs_shape)

    def __getstate__(self) -> dict[str, Any]:
        """Rows that were written, on the host whatever the device."""
        state = self.__dict__.copy()
        del state["_rows"]
        state["_written"] = self._table.bytes[: self.size() * self.n_envs].cpu().numpy()
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        written = state.pop("_written")
        self.__dict__.update(state)
        self._rows = Rows(self._transitions, self.row, HOST)
        self._rows.bytes[: len(written)] = th.from_numpy(written)
