"""A replay buffer that stores each observation once."""

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.quantities import Whole, Within, flag
from sb3_scale.replay.contents import CompactContents, Contents
from sb3_scale.replay.memory import Storage, choose_place, fits_on_device
from sb3_scale.replay.normalization import normalize_rewards
from sb3_scale.replay.observations import BoxLayout, DictLayout, Layout
from sb3_scale.replay.one_step import SingleStepReplay
from sb3_scale.replay.returns import Returns
from sb3_scale.replay.rows import Rows, filled_rows, row_type
from sb3_scale.replay.streams import Shapes, Streams, check_shapes, check_stream
from sb3_scale.replay.table import HOST, upload

if TYPE_CHECKING:
    from sb3_scale.replay.frame_rows import FrameRows

MOST_STEPS = 10_000
"""Of a return."""


class CompactReplayBuffer(ReplayBuffer, SingleStepReplay):
    """
    Gives the batches of ``stable_baselines3.common.buffers.ReplayBuffer``, bit for bit under one
    seed, from 0.54 of its memory in the dog's size: 1060 bytes per transition instead of 1948.

    A next observation is the observation of the following transition of the same environment; only
    where that differs, at the end of an episode or where the stream was cut, it is stored beside.
    A transition is one row: observation, action, reward, done, timeout. Indices are drawn on the
    host, so batches do not depend on where the rows are.

    Each environment is a stream with a ring of its own. ``add`` writes all of them at once,
    ``add_stream`` one of them. While all have as many transitions, draws are those of
    Stable-Baselines3; after that each number drawn stands for one of all stored transitions.
    ``pos``, ``full`` and ``size`` are those of the stream with the fewest transitions.

    ``observations``, ``actions``, ``rewards``, ``dones`` and ``timeouts`` are those of
    Stable-Baselines3: on the host the memory itself, on a GPU copies that cannot be written to.
    ``next_observations`` is always such a copy. Of ``Dict`` observations each key is stored in its
    own type, and batches are those of ``DictReplayBuffer``.

    With ``n_steps`` above 1 batches are those of its ``NStepReplayBuffer``, bit for bit too, but
    that a sequence ends where a stream was cut.

    :param buffer_size: capacity in transitions
    :param observation_space: a ``Box``, or a ``Dict`` of arrays
    :param action_space: of the environment
    :param device: where batches are wanted
    :param n_envs: number of environments
    :param optimize_memory_usage: must be false: nothing is stored twice here
    :param handle_timeout_termination: whether an episode that ended by a time limit counts as not
        done in batches
    :param storage: ``host``; ``device`` for the memory of a GPU; ``auto`` for a GPU's if at most
        half of what is free there is needed, else the host's. On a CPU all three are one
    :param n_steps: of the returns, at most 10,000
    :param gamma: discount factor of the returns
    :raises Sb3ScaleError: if a parameter is out of its range, the observations are no arrays, or
        there is not enough memory
    """

    contents: ClassVar[type[Contents]] = CompactContents
    """What of it goes into a file; a subclass with more to save names another, or is pickled."""

    saved_arguments: ClassVar[tuple[str, ...]] = (
        "handle_timeout_termination",
        "storage",
        "n_steps",
        "gamma",
    )
    """Of the constructor, for a file."""

    _rows: "Rows | FrameRows | None" = None
    _returns: Returns | None = None

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
        n_steps: int = 1,
        gamma: float = 0.99,
    ) -> None:
        self.layout = self._make_layout(observation_space)
        # Past ReplayBuffer's, which would make its arrays.
        super(ReplayBuffer, self).__init__(
            buffer_size, observation_space, action_space, device, n_envs
        )
        if optimize_memory_usage:
            raise Sb3ScaleError(
                f"optimize_memory_usage is True, and {type(self).__name__} stores nothing twice; "
                "allowed: False"
            )
        self.buffer_size = max(buffer_size // n_envs, 1)
        self.optimize_memory_usage = False
        self.handle_timeout_termination = flag(
            "handle_timeout_termination", handle_timeout_termination
        )
        self.storage = storage
        self.n_steps = Whole(1, MOST_STEPS)("n_steps", n_steps)
        self.gamma = Within(0, 1)("gamma", gamma)
        self.row = self._make_row()
        place = choose_place(storage, self.device, self._transitions, self.transition_bytes)
        self._rows = self._make_table(place)
        if n_steps > 1:
            self._returns = Returns(n_steps, gamma, self.buffer_size, n_envs)
        self.streams = Streams(self.buffer_size, n_envs)
        self._shapes = self._make_shapes()

    def _make_layout(self, space: spaces.Space[Any]) -> Layout:
        if isinstance(space, spaces.Dict):
            return DictLayout(space)
        if isinstance(space, spaces.Box):
            return BoxLayout(space)
        raise Sb3ScaleError(
            f"{type(self).__name__} cannot store {type(space).__name__} observations; allowed: "
            "Box, Dict"
        )

    def _make_row(self) -> np.dtype[Any]:
        return row_type(self.layout, self.action_space)

    def _make_table(self, place: th.device) -> "Rows | FrameRows":
        return Rows(self.buffer_size, self.n_envs, self.row, place)

    def _make_shapes(self) -> Shapes:
        shape = self.action_space.shape or ()
        return Shapes(self.n_envs, self.layout.shape, shape, self.action_dim)

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
        place = self.table.place
        return (
            f"Replay buffer: {self._transitions} transitions of {self.transition_bytes} bytes, "
            f"{self._transitions * self.transition_bytes / 1e9:.2f} GB on "
            + ("the host" if place == HOST else str(place))
        )

    @property
    def table(self) -> "Rows | FrameRows":
        """Where the transitions are."""
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
            self._rows.move(place)

    def reset(self) -> None:
        """Forget all transitions."""
        super().reset()
        self.streams.reset()

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

        :param obs: ``(n_envs, *shape)``, of ``Dict`` observations a mapping with such arrays
        :param next_obs: ``(n_envs, *shape)``, likewise
        :param action: ``(n_envs, *action shape)``
        :param reward: ``(n_envs,)``
        :param done: ``(n_envs,)``
        :param infos: of each environment; ``TimeLimit.truncated`` marks the end by a time limit
        :raises Sb3ScaleError: if an array has another shape than the spaces ask for; nothing is
            stored then
        """
        lead = (self.n_envs,)
        obs = self.layout.packed("obs", obs, lead)
        next_obs = self.layout.packed("next_obs", next_obs, lead)
        self._shapes.check(obs, next_obs, action, reward, done, infos=infos)
        timeout = [info.get("TimeLimit.truncated", False) for info in infos]
        rows = filled_rows(self.row, self.n_envs, action, reward, done, self._ends(timeout))[None]
        observations, following = (np.reshape(x, (1, self.n_envs, -1)) for x in (obs, next_obs))
        if not self.streams.lockstep:
            self._write_streams(0, rows, observations, following)
            return
        self._write(self.pos, slice(0, self.n_envs), rows, observations, following)
        self.streams.written += 1
        self.pos += 1
        if self.pos == self.buffer_size:
            self.full = True
            self.pos = 0

    def add_stream(
        self,
        stream: int,
        obs: np.ndarray,
        next_obs: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        timeout: np.ndarray,
        priorities: np.ndarray | None = None,
    ) -> None:
        """
        Store a fragment: ``k`` consecutive transitions of one stream, at least one.

        The next fragment need not go on where this one ended.

        :param stream: which one, from 0 to ``n_envs - 1``
        :param obs: ``(k, *shape)``
        :param next_obs: ``(k, *shape)``, at the end of an episode its last observation
        :param action: ``(k, *action shape)``
        :param reward: ``(k,)``
        :param done: ``(k,)``
        :param timeout: whether an episode ended by a time limit, ``(k,)``
        :param priorities: nothing here; subclasses that draw by priority take ``(k,)``, not
            negative: how far a critic was from its targets
        :raises Sb3ScaleError: if there is no such stream, an array has another shape, a number is
            not finite, or there are priorities; nothing is stored then
        """
        self._add_fragment(stream, 1, priorities, obs, next_obs, action, reward, done, timeout)

    def add_streams(
        self,
        first: int,
        obs: np.ndarray,
        next_obs: np.ndarray,
        action: np.ndarray,
        reward: np.ndarray,
        done: np.ndarray,
        timeout: np.ndarray,
        priorities: np.ndarray | None = None,
    ) -> None:
        """
        Store fragments of ``m`` streams that are next to each other, ``k`` transitions of each.

        :param first: the first of the streams
        :param obs: ``(k, m, *shape)``
        :param next_obs: ``(k, m, *shape)``, at the end of an episode its last observation
        :param action: ``(k, m, *action shape)``
        :param reward: ``(k, m)``
        :param done: ``(k, m)``
        :param timeout: whether an episode ended by a time limit, ``(k, m)``
        :param priorities: nothing here; subclasses that draw by priority take ``(k, m)``
        :raises Sb3ScaleError: as :meth:`add_stream`
        """
        self._add_fragment(first, 2, priorities, obs, next_obs, action, reward, done, timeout)

    def _add_fragment(self, first: int, axes: int, priorities: Any, *arrays: Any) -> None:
        """Of one stream, whose arrays have the axis of steps alone, or of several."""
        if priorities is not None:
            raise Sb3ScaleError(
                f"priorities are given, and {type(self).__name__} draws all transitions alike; "
                "allowed: None"
            )
        check_stream(first, self.n_envs)
        actions = (self.action_space.shape or (), (self.action_dim,))
        obs, next_obs, *others = arrays
        lead = np.shape(others[1])
        obs = self.layout.packed("obs of a fragment", obs, lead)
        next_obs = self.layout.packed("next_obs of a fragment", next_obs, lead)
        shape = check_shapes(self.layout, actions, axes, obs, next_obs, *others)
        steps, streams = (*shape, 1)[:2]
        check_stream(first + streams - 1, self.n_envs)
        action, reward, done, timeout = others
        ends = self._ends(timeout)
        rows = filled_rows(self.row, steps * streams, action, reward, done, ends)
        rows = rows.reshape(steps, streams)
        observations, following = (np.reshape(x, (steps, streams, -1)) for x in (obs, next_obs))
        self._write_streams(first, rows, observations, following)

    def _ends(self, timeout: Any) -> Any:
        """What of the ends by time limits is stored."""
        return timeout if self.handle_timeout_termination else None

    def _write(
        self,
        position: int,
        streams: slice,
        rows: np.ndarray,
        observations: np.ndarray,
        following: np.ndarray,
    ) -> None:
        self.table.write(position, streams, rows, observations, following)
        if self._returns is not None:
            self._returns.write(position, streams, rows["outcome"])

    def _write_streams(
        self, first: int, rows: np.ndarray, observations: np.ndarray, following: np.ndarray
    ) -> None:
        """All ``(k, m, ...)``."""
        for position, streams, piece, own in self.streams.pieces(first, *rows.shape):
            where = piece, own
            self._write(position, streams, rows[where], observations[where], following[where])
            self.pos, self.full = self.streams.advance(streams, piece.stop - piece.start)

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> ReplayBufferSamples:
        """
        Draw transitions, all alike.

        :param batch_size: transitions to draw
        :param env: whose statistics normalise observations and rewards
        :return: tensors of ``batch_size`` rows on the buffer's device
        """
        if self.streams.lockstep:
            # Stable-Baselines3 draws the rows first, then the environments.
            positions = np.random.randint(0, self.size(), batch_size)
            index = positions * self.n_envs + np.random.randint(0, self.n_envs, batch_size)
        else:
            index = self.streams.locate(np.random.randint(0, self.streams.stored, batch_size))
        return self.sequences(index, env)

    def sample_single_steps(
        self, batch_size: int, env: VecNormalize | None = None
    ) -> ReplayBufferSamples:
        """
        Draw transitions of one step, all alike, whatever ``sample`` of a subclass gives.

        :param batch_size: transitions to draw
        :param env: whose statistics normalise observations and rewards
        :return: tensors of ``batch_size`` rows on the buffer's device
        """
        index = self.streams.locate(np.random.randint(0, self.streams.stored, batch_size))
        return self.transitions(index, index, env)

    def sequences(self, index: np.ndarray, env: VecNormalize | None = None) -> ReplayBufferSamples:
        """
        Read sequences of at most ``n_steps`` transitions, each within an episode.

        :param index: of the first transition of each, ``position * n_envs + stream``, ``(b,)``
        :param env: whose statistics normalise observations and rewards
        :return: tensors of ``b`` rows on the buffer's device; with ``n_steps`` above 1 returns and
            their discounts
        """
        if self._returns is None:
            return self.transitions(index, index, env)
        rows, steps = self._returns.sequences(index, self.table.follow)
        last = rows[np.arange(len(rows)), steps - 1]
        returns, discounts = self._returns.discounted(
            rows, steps, lambda rewards: self._normalize_reward(rewards, env)
        )
        return self.transitions(index, last, env)._replace(
            rewards=upload(returns, self.device), discounts=upload(discounts, self.device)
        )

    def transitions(
        self, index: np.ndarray, last: np.ndarray, env: VecNormalize | None = None
    ) -> ReplayBufferSamples:
        """
        Read transitions, or sequences of them.

        :param index: of the first transition of each, ``position * n_envs + stream``, ``(b,)``
        :param last: of the last one, likewise; it gives next observation, reward and done
        :param env: whose statistics normalise observations and rewards
        :return: tensors of ``b`` rows on the buffer's device
        """
        pairs, actions, outcome = self._read(index, last)
        rewards, dones, timeouts = outcome.t().contiguous().unsqueeze(2)
        dones = dones * (1 - timeouts)
        if env is not None:
            rewards = normalize_rewards(rewards, env)
        observations, next_observations = self.layout.batch(pairs, env, self.device)
        actions, dones, rewards = (
            tensor.to(self.device, non_blocking=True) for tensor in (actions, dones, rewards)
        )
        return ReplayBufferSamples(observations, actions, next_observations, dones, rewards)

    def _read(self, index: np.ndarray, last: np.ndarray) -> tuple[th.Tensor, th.Tensor, th.Tensor]:
        """What :meth:`transitions` reads, where the table is."""
        pinned = self.table.place != self.device and self.device.type == "cuda"
        return self.table.read(index, last, pinned)

    def numbers(self, what: str) -> dict[str, np.ndarray]:
        """
        :param what: ``observations`` or ``next_observations``
        :return: those of them that are stored, which may be not finite, by key
        """
        return self.layout.numbers(self.table.numbers(what))

    @property
    def observations(self) -> Any:  # type: ignore[override]
        """``(buffer_size, n_envs, *shape)``, of ``Dict`` observations by key."""
        return self.layout.unpacked(self.table.observations())

    @property
    def actions(self) -> np.ndarray:  # type: ignore[override]
        """``(buffer_size, n_envs, action_dim)``."""
        return self.table.to_numpy("action")

    @property
    def rewards(self) -> np.ndarray:  # type: ignore[override]
        """``(buffer_size, n_envs)``."""
        return self.table.to_numpy("outcome")[..., 0]

    @property
    def dones(self) -> np.ndarray:  # type: ignore[override]
        """``(buffer_size, n_envs)``."""
        return self.table.to_numpy("outcome")[..., 1]

    @property
    def timeouts(self) -> np.ndarray:  # type: ignore[override]
        """``(buffer_size, n_envs)``."""
        return self.table.to_numpy("outcome")[..., 2]

    @property
    def next_observations(self) -> Any:  # type: ignore[override]
        """The same of those after them, a copy that cannot be written to."""
        return self.layout.unpacked(self.table.next_observations())

    def __getstate__(self) -> dict[str, Any]:
        """Rows that were written, on the host whatever the device."""
        state = self.__dict__.copy()
        del state["layout"], state["_shapes"], state["_rows"]
        state.pop("_returns", None)
        arrays = self.table.arrays(self.streams.longest)
        state["_kept"] = {
            name: each.cpu().numpy() if isinstance(each, th.Tensor) else each
            for name, each in arrays.items()
        }
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        kept = state.pop("_kept")
        self.__dict__.update(state)
        self.layout = self._make_layout(self.observation_space)
        self._rows = self._make_table(HOST)
        room = self._rows.room({name: array.shape for name, array in kept.items()})
        for name, target in room.items():
            target[:] = kept[name]
        self._rows.take(self.streams.written)
        self.resume()
        self._shapes = self._make_shapes()

    def resume(self) -> None:
        """Take up position and returns from rows that were just filled."""
        self.pos, self.full = self.streams.advance(slice(0), 0)
        if self.n_steps > 1:
            self._returns = Returns(self.n_steps, self.gamma, self.buffer_size, self.n_envs)
            self._returns.write(0, slice(None), self.table.to_numpy("outcome"))
