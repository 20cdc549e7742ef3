"""Hindsight experience replay on compact storage."""

from copy import deepcopy
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import BaseBuffer
from stable_baselines3.common.type_aliases import ReplayBufferSamples
from stable_baselines3.common.vec_env import VecEnv, VecNormalize
from stable_baselines3.her.goal_selection_strategy import (
    KEY_TO_GOAL_STRATEGY,
    GoalSelectionStrategy,
)

from sb3_scale.errors import Sb3ScaleError, shown, suggestion
from sb3_scale.extending import extends
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.replay.episodes import Episodes
from sb3_scale.replay.hindsight_contents import HindsightContents
from sb3_scale.replay.observations import DictLayout

GOALS = ("achieved_goal", "desired_goal")

WITHOUT = ("storage", "n_steps", "gamma")
"""Goals are compared by the environment, so on the host, and for single steps."""


class HindsightStorage(BaseBuffer):
    """
    Comes before a ``CompactReplayBuffer`` among the bases; observations have goals.

    Transitions of episodes that go on are not drawn. An episode ends where it is done or where the
    stream was cut.
    """

    env: VecEnv | None = None
    """Computes rewards for other goals; an algorithm gives it its own."""

    streams: Any
    table: Any
    layout: Any

    def _take_up(
        self,
        n_sampled_goal: int,
        goal_selection_strategy: GoalSelectionStrategy | str,
        copy_info_dict: bool,
    ) -> None:
        """Before the constructor of the other base."""
        self.n_sampled_goal = n_sampled_goal
        self.goal_selection_strategy = strategy_of(n_sampled_goal, goal_selection_strategy)
        self.copy_info_dict = copy_info_dict
        self.her_ratio = 1 - (1.0 / (n_sampled_goal + 1))

    def _make_layout(self, space: spaces.Space[Any]) -> DictLayout:
        return DictLayout(check_goals(type(self).__name__, space))

    def _make_table(self, place: th.device) -> Any:
        self.episodes = Episodes(self.buffer_size, self.n_envs)
        self._drawable: np.ndarray | None = None
        self._infos = np.empty(self.buffer_size * self.n_envs * self.copy_info_dict, object)
        return super()._make_table(place)  # type: ignore[misc]

    @property
    def transition_bytes(self) -> int:
        """Bytes per transition, with those of the episodes."""
        own: int = super().transition_bytes  # type: ignore[misc]
        return own + 2 * np.dtype(np.int32).itemsize

    def reset(self) -> None:
        """Forget all transitions."""
        super().reset()
        self.episodes = Episodes(self.buffer_size, self.n_envs)
        self._drawable = None

    def add(self, *args: Any, **kwargs: Any) -> None:
        """
        Store one transition of each environment.

        :param args: of ``add`` of a ``CompactReplayBuffer``
        :param kwargs: of the same
        """
        rows = self.streams.next_rows() if self.copy_info_dict else None
        super().add(*args, **kwargs)
        if rows is not None:
            self._infos[rows] = kwargs["infos"] if "infos" in kwargs else args[5]

    def _add_fragment(self, *args: Any) -> None:
        if self.copy_info_dict:
            raise Sb3ScaleError(
                "copy_info_dict is True, and fragments bring no infos; allowed with them: False"
            )
        super()._add_fragment(*args)  # type: ignore[misc]

    def _write(self, position: int, streams: slice, rows: np.ndarray, *observations: Any) -> None:
        super()._write(position, streams, rows, *observations)  # type: ignore[misc]
        before = (position - 1) % self.buffer_size * self.n_envs
        goes_on = self.table.follow(np.arange(before + streams.start, before + streams.stop))
        changed = self.episodes.write(position, streams, rows["outcome"][..., 1], goes_on)
        if len(changed):
            self._changed(changed)

    def _changed(self, rows: np.ndarray) -> None:
        """Called with rows that can be drawn from now on, or no longer."""
        self._drawable = None

    def truncate_last_trajectory(self) -> None:
        """End the episodes that go on, as after loading a buffer for a new training."""
        for stream in np.flatnonzero(self.streams.written).tolist():
            position = self.streams.position(stream)
            if self.episodes.begun[stream] != position:
                self._changed(self.episodes.end(stream, position))

    def drawable(self) -> np.ndarray:
        """
        :return: rows of episodes that have ended, in the order of ``position * n_envs + stream``
        :raises Sb3ScaleError: if there are none
        """
        if self._drawable is None:
            self._drawable = np.flatnonzero(self.episodes.lengths > 0)
        if not len(self._drawable):
            raise Sb3ScaleError(
                "no episode in the replay buffer has ended, and goals come from those that have; "
                "allowed: learning_starts of at least the steps of the longest episode, of all "
                "environments together"
            )
        return self._drawable

    def sample_single_steps(
        self, batch_size: int, env: VecNormalize | None = None
    ) -> ReplayBufferSamples:
        """
        Draw transitions of episodes that have ended, all alike; the last ones get other goals.

        :param batch_size: transitions to draw
        :param env: whose statistics normalise observations and rewards
        :return: tensors of ``batch_size`` rows on the buffer's device
        :raises Sb3ScaleError: if no episode has ended
        """
        index = np.random.choice(self.drawable(), size=batch_size, replace=True)
        virtual = int(self.her_ratio * batch_size)
        # Stable-Baselines3 draws those with other goals first, and puts them last.
        return self.sequences(np.concatenate((index[virtual:], index[:virtual])), env)  # type: ignore[attr-defined, no-any-return]

    def _virtual(self, batch_size: int) -> Any:
        """Places in a batch that get other goals."""
        return slice(batch_size - int(self.her_ratio * batch_size), batch_size)

    def _read(self, index: np.ndarray, last: np.ndarray) -> tuple[th.Tensor, th.Tensor, th.Tensor]:
        pairs, actions, outcome = super()._read(index, last)  # type: ignore[misc]
        which = self._virtual(len(index))
        rows = index[which]
        if len(rows):
            outcome.numpy()[which, 0] = self._relabel(rows, pairs.numpy(), which)
        return pairs, actions, outcome

    def _relabel(self, rows: np.ndarray, pairs: np.ndarray, which: Any) -> np.ndarray:
        """Write other goals into a batch; the rewards that it then has."""
        chosen = self.episodes.goals(rows, self.goal_selection_strategy)
        kept = self.table.following(chosen, self.layout.columns("achieved_goal"))
        goals = self.layout.from_columns("achieved_goal", kept.numpy())
        now, then = np.split(pairs, 2)
        for half in (now, then):
            self.layout.unpacked(half)["desired_goal"][which] = goals
        achieved = self.layout.unpacked(then)["achieved_goal"][which]
        infos = list(deepcopy(self._infos[rows])) if self.copy_info_dict else [{} for _ in rows]
        if self.env is None:
            raise Sb3ScaleError(
                "the replay buffer has no environment that computes rewards; allowed: after "
                "set_env of the algorithm, or buffer.env = vec_env"
            )
        found = self.env.env_method("compute_reward", achieved, goals, infos, indices=[0])[0]
        rewards = np.asarray(found, np.float32)
        if rewards.size != len(rows) or not np.isfinite(rewards).all():
            what = "numbers that are not finite"
            if rewards.size != len(rows):
                what = f"rewards of shape {rewards.shape}"
            raise Sb3ScaleError(
                f"compute_reward of the environment gave {what} for goals of shape {goals.shape}; "
                f"allowed: {len(rows)} finite numbers, one for each goal"
            )
        return rewards.reshape(-1)

    def __getstate__(self) -> dict[str, Any]:
        """Without the environment."""
        state: dict[str, Any] = super().__getstate__()  # type: ignore[assignment]
        for name in ("env", "episodes", "_infos", "_drawable"):
            state.pop(name, None)
        state["_own"] = (vars(self.episodes), self._infos)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        episodes, infos = state.pop("_own")
        super().__setstate__(state)  # type: ignore[misc]
        vars(self.episodes).update(episodes)
        self._infos = infos


class HindsightReplayBuffer(HindsightStorage, CompactReplayBuffer):
    """
    Gives the batches of ``stable_baselines3.HerReplayBuffer``, bit for bit under one seed, from
    compact storage: of each batch ``n_sampled_goal / (n_sampled_goal + 1)`` have another goal, one
    that was reached in the same episode, and the reward that the environment gives for it.

    An episode also ends where the stream was cut, for instance where a second training began.
    Source: Andrychowicz et al., "Hindsight Experience Replay", 2017, sections 3.3 and 4.5.

    :param n_sampled_goal: transitions with another goal for each one with its own
    :param goal_selection_strategy: where in the episode the goal comes from: ``future``, from this
        transition on; ``final``, the last one; ``episode``, any
    :param copy_info_dict: whether ``compute_reward`` gets copies of the infos, which are kept then
    :raises Sb3ScaleError: if a parameter is out of its range, the observations have no goals, or
        there is not enough memory
    """

    contents = HindsightContents
    saved_arguments = ("handle_timeout_termination", "n_sampled_goal")

    @extends(CompactReplayBuffer, without=WITHOUT)
    def __init__(
        self,
        *args: Any,
        n_sampled_goal: int = 4,
        goal_selection_strategy: GoalSelectionStrategy | str = "future",
        copy_info_dict: bool = False,
        **options: Any,
    ) -> None:
        self._take_up(n_sampled_goal, goal_selection_strategy, copy_info_dict)
        super().__init__(*args, **{**options, "storage": "host"})

    def sample(self, batch_size: int, env: VecNormalize | None = None) -> ReplayBufferSamples:
        """
        Draw transitions of episodes that have ended; the last ones of the batch get other goals.

        :param batch_size: transitions to draw
        :param env: whose statistics normalise observations and rewards
        :return: tensors of ``batch_size`` rows on the buffer's device
        :raises Sb3ScaleError: if no episode has ended
        """
        return self.sample_single_steps(batch_size, env)


def strategy_of(
    n_sampled_goal: Any = 4, goal_selection_strategy: Any = "future"
) -> GoalSelectionStrategy:
    """
    :param n_sampled_goal: parameter of a replay buffer with hindsight
    :param goal_selection_strategy: likewise
    :return: the strategy
    :raises Sb3ScaleError: if one of them is out of its range
    """
    if not n_sampled_goal >= 0:
        raise Sb3ScaleError(f"n_sampled_goal is {shown(n_sampled_goal)}; allowed: at least 0")
    given = goal_selection_strategy
    name = given.name if isinstance(given, GoalSelectionStrategy) else str(given)
    if name.lower() not in KEY_TO_GOAL_STRATEGY:
        raise Sb3ScaleError(
            f"goal_selection_strategy is {shown(given)}" + suggestion(name, KEY_TO_GOAL_STRATEGY)
        )
    return KEY_TO_GOAL_STRATEGY[name.lower()]


def check_goals(name: str, space: spaces.Space[Any]) -> spaces.Dict:
    """
    :param name: of a replay buffer with hindsight
    :param space: of the observations
    :return: the same
    :raises Sb3ScaleError: if they have no goals
    """
    allowed = "allowed: Dict with the keys observation, achieved_goal and desired_goal"
    if not isinstance(space, spaces.Dict):
        raise Sb3ScaleError(
            f"{name} gives transitions other goals, and observations are {type(space).__name__}; "
            f"{allowed}"
        )
    for key in GOALS:
        if key not in space.spaces:
            keys = ", ".join(map(repr, space.spaces)) or "none"
            raise Sb3ScaleError(
                f"{name} gives transitions other goals, and observations have no '{key}', only "
                f"{keys:.200}; {allowed}"
            )
    achieved, desired = (space.spaces[key].shape for key in GOALS)
    if achieved != desired:
        raise Sb3ScaleError(
            f"achieved_goal has shape {achieved}, and desired_goal {desired}; allowed with {name}: "
            "the same"
        )
    return space
