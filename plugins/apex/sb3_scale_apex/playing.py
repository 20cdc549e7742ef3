"""Fragments, as the algorithm takes them: as if its environments had just answered."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.running_mean_std import RunningMeanStd

from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale_apex.episode_files import EpisodeFile
from sb3_scale_apex.fragments import Fragment, Moments


class Player:
    """
    Gives fragments to an algorithm, in pieces.

    :param model: the algorithm
    :param n_envs: environments of all collectors
    :param files: that get finished episodes
    """

    def __init__(self, model: Any, n_envs: int, files: Sequence[EpisodeFile]) -> None:
        self._model = model
        self._n_envs = n_envs
        self._fragment: Fragment | None = None
        self._streams = np.empty(0, np.int64)
        self._at = 0
        self._infos: list[dict[str, Any]] = []
        self._rewards: list[float] = []
        self._dones: list[bool] = []
        self.episodes = 0
        self._incarnations: dict[int, int] = {}
        self._files = files

    @property
    def empty(self) -> bool:
        """Whether nothing is left of the fragment."""
        return self._fragment is None

    def close(self) -> None:
        """Write no more episodes."""
        for file in self._files:
            file.close()

    def take(self, fragment: Fragment, streams: np.ndarray) -> None:
        """
        :param fragment: to play next
        :param streams: of the replay buffer, one for each of its environments
        """
        self._fragment, self._streams, self._at = fragment, streams, 0
        before = self._incarnations.get(fragment.collector, fragment.incarnation)
        if before != fragment.incarnation:
            self._model.training.experience.restart(streams)
        self._incarnations[fragment.collector] = fragment.incarnation
        self._merge(fragment)

    def play(self, decisions: int, callback: BaseCallback, log_interval: int | None) -> bool:
        """
        Play on, until there were so many decisions or the fragment ends.

        :param decisions: at least one
        :param callback: of the training
        :param log_interval: episodes between two lines of the log
        :return: whether the training goes on
        """
        fragment = self._fragment
        assert fragment is not None
        stop = min(self._at - (-decisions // fragment.envs), fragment.steps)
        goes_on = True
        while goes_on and self._at < stop:
            # A callback finds stored what was counted, also if it saves both or ends the training.
            start = self._at
            self._at = min(start - ((len(self._infos) - self._n_envs) // fragment.envs), stop)
            self._store(fragment, start, self._at)
            for step in range(start, self._at):
                goes_on = self._count(fragment, step, callback, log_interval)
        if self._at == fragment.steps:
            self._fragment = None
        return goes_on

    def _store(self, fragment: Fragment, start: int, stop: int) -> None:
        model, piece = self._model, slice(start, stop)
        buffer: CompactReplayBuffer = model.replay_buffer
        following = fragment.next_observations(start, stop)
        for observe in model.training.experience.observers(buffer):
            for step in range(start, stop):
                observe(
                    fragment.observations[step],
                    following[step - start],
                    fragment.actions[step],
                    fragment.rewards[step],
                    fragment.dones[step],
                    fragment.infos[step],
                    self._streams,
                )
        first = fragment.priorities
        buffer.add_streams(
            int(self._streams[0]),
            fragment.observations[piece],
            following,
            fragment.actions[piece],
            fragment.rewards[piece],
            fragment.dones[piece],
            fragment.timeouts[piece],
            None if first is None else first[piece],
        )

    def _count(
        self, fragment: Fragment, step: int, callback: BaseCallback, log_interval: int | None
    ) -> bool:
        model = self._model
        infos, dones = fragment.infos[step], fragment.dones[step]
        model.num_timesteps += fragment.envs
        self._infos += infos
        self._rewards += fragment.rewards[step].tolist()
        self._dones += dones.tolist()
        # Callbacks count steps of all environments.
        if len(self._infos) >= self._n_envs:
            callback.update_locals(
                {
                    "self": model,
                    "infos": self._infos,
                    "rewards": np.array(self._rewards),
                    "dones": np.array(self._dones),
                    "new_obs": fragment.observations[step + 1],
                    "replay_buffer": model.replay_buffer,
                }
            )
            self._infos, self._rewards, self._dones = [], [], []
            if not callback.on_step():
                return False
        model._update_info_buffer(infos, dones)
        model._update_current_progress_remaining(model.num_timesteps, model._total_timesteps)
        model._on_step()
        for env in np.flatnonzero(dones).tolist():
            self.episodes += 1
            model._episode_num += 1
            for file in self._files if "episode" in infos[env] else ():
                file.write(infos[env])
            if log_interval is not None and model._episode_num % log_interval == 0:
                model.dump_logs()
        return True

    def _merge(self, fragment: Fragment) -> None:
        normalize = self._model._vec_normalize_env
        if normalize is not None and normalize.training:
            _update(vars(normalize).get("obs_rms"), fragment.observed)
            _update(normalize.ret_rms, fragment.returned)


def _update(statistics: RunningMeanStd | None, moments: Moments | None) -> None:
    """Chan et al., "Updating Formulae and a Pairwise Algorithm", 1979."""
    if statistics is not None and moments is not None:
        statistics.update_from_moments(moments.mean, moments.variance, moments.count)
