"""One training with collectors, seen from the learner."""

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.type_aliases import RolloutReturn
from stable_baselines3.common.vec_env import VecEnv
from torch.optim import Optimizer

from sb3_scale.collection.unmade import UnmadeVecEnv
from sb3_scale.saved_statistics import REPLAY_BUFFER, statistics_beside
from sb3_scale_apex.checks import pickled_specs
from sb3_scale_apex.engines import Engine
from sb3_scale_apex.environments import Environments, like
from sb3_scale_apex.episode_files import episode_files
from sb3_scale_apex.exploration import ladder
from sb3_scale_apex.fleet import AllCollectorsLostError, Fleet, Limits
from sb3_scale_apex.pace import Pace
from sb3_scale_apex.playing import Player
from sb3_scale_apex.progress import Progress
from sb3_scale_apex.weights import Networks, take
from sb3_scale_apex.worker import Plan


@dataclass(frozen=True)
class Settings:
    """
    Of collectors.

    :param collectors: how many
    :param max_weight_age: gradient steps after which weights are sent anew
    :param noise: standard deviation of noise in the first and the last environment
    :param spread: factor on the distance from the actor's mode, likewise
    :param judge: whether they compute first priorities
    """

    collectors: int
    max_weight_age: int
    noise: list[float] | None
    spread: list[float] | None
    judge: bool


class CollectedTraining:
    """
    Collectors, and what the learner has of them, during one ``learn``.

    :param settings: of the collectors
    :param limits: what is expected of them
    :param engine: where they run
    :param pace: of learner and collectors
    :param model: the algorithm
    :param optimizers: of its policy
    :param callback: all callbacks of the training
    """

    def __init__(
        self,
        settings: Settings,
        limits: Limits,
        engine: Engine,
        pace: Pace,
        model: Any,
        optimizers: list[Optimizer],
        callback: BaseCallback,
    ) -> None:
        self._settings = settings
        self._model = model
        self._pace = pace
        n_envs = model.n_envs
        self._each = n_envs // settings.collectors
        seed = int(np.random.randint(2**31)) if model.seed is None else int(model.seed)
        # A training that goes on does not play the same episodes again.
        self._seed = seed + model.num_timesteps
        self._environments: Environments = like(model.env, self._seed)
        self._networks = Networks(model.policy, model.training.objective, settings.judge)
        self._copy = self._networks.copy(optimizers)
        self._noise = ladder(settings.noise, n_envs)
        self._spread = ladder(settings.spread, n_envs)
        self._specs = pickled_specs(gymnasium.registry)
        self._version, self._updates, self._decisions = 0, -1, -1
        self._place: Any = None
        monitor = _unmade_path(model.env)
        self._folder = Path(monitor).parent if monitor else None
        self._player = Player(model, n_envs, episode_files(model.env))
        self.engine = engine
        envs = [self._each] * settings.collectors
        self.fleet = Fleet(engine, self._plan, envs, limits, self._weights)
        self.fleet.total = model._total_timesteps - model.num_timesteps
        self.fleet.random_until = model.learning_starts - model.num_timesteps
        self._progress = Progress(model, callback, self.fleet)
        pace.start(model)

    def close(self) -> None:
        """End the collectors."""
        self._player.close()
        self.fleet.close()

    def collect(
        self,
        callback: BaseCallback,
        train_freq: Any,
        replay_buffer: Any,
        action_noise: ActionNoise | None = None,
        learning_starts: int = 0,
        log_interval: int | None = None,
    ) -> RolloutReturn:
        """
        :param callback: of the training
        :param train_freq: without effect beside that of the algorithm
        :param replay_buffer: that of the algorithm
        :param action_noise: that of the algorithm
        :param learning_starts: that of the algorithm
        :param log_interval: episodes between two lines of the log
        :return: how much was collected
        """
        model, pace = self._model, self._pace
        decisions, episodes = model.num_timesteps, self._player.episodes
        model.policy.set_training_mode(False)
        callback.on_rollout_start()
        pace.begin(model)
        goes_on = True
        while goes_on and model.num_timesteps < model._total_timesteps:
            wanted = pace.wanted(model)
            piece = wanted if wanted > 0 else pace.welcome(model)
            if piece <= 0 or (self._player.empty and not self._fetch(wait=wanted > 0)):
                break
            goes_on = self._player.play(piece, callback, log_interval)
        callback.on_rollout_end()
        # They act while the networks learn.
        self.fleet.ask()
        return RolloutReturn(
            model.num_timesteps - decisions, self._player.episodes - episodes, goes_on
        )

    def _fetch(self, wait: bool) -> bool:
        before = time.perf_counter()
        try:
            fragment = self.fleet.next(wait)
        except AllCollectorsLostError as error:
            raise AllCollectorsLostError(f"{error}; {self._saved()}") from None
        self._progress.waited(time.perf_counter() - before)
        if fragment is None:
            return False
        self._player.take(fragment, self._streams(fragment.collector))
        self._progress.took(fragment)
        return True

    def _streams(self, collector: int) -> np.ndarray:
        return np.arange(collector * self._each, (collector + 1) * self._each)

    def _plan(self, collector: int, incarnation: int) -> bytes:
        model, of = self._model, slice(collector * self._each, (collector + 1) * self._each)
        buffer = model.replay_buffer
        return Plan(
            collector,
            incarnation,
            self._environments.some(of.start, of.stop),
            model.action_space,
            self._copy,
            model._vec_normalize_env,
            None if self._noise is None else self._noise[of],
            None if self._spread is None else self._spread[of],
            buffer.n_steps,
            model.gamma,
        ).packed(self._specs)

    def _weights(self) -> tuple[int, int, list[Any]]:
        model = self._model
        normalize = model._vec_normalize_env
        aged = model._n_updates - self._updates > self._settings.max_weight_age
        moved = normalize is not None and normalize.training
        if self._place is None or aged or (moved and model.num_timesteps != self._decisions):
            self._version += 1
            self._updates, self._decisions = model._n_updates, model.num_timesteps
            weights = take(self._networks, normalize, model.action_noise)
            self._place = self.engine.publish(weights)
        return self._version, self._updates, [self._place]

    def _saved(self) -> str:
        model = self._model
        folder = self._folder or Path(model.logger.dir or tempfile.mkdtemp())
        path = folder / f"collectors_lost_{model.num_timesteps}_steps.zip"
        # Names and order of a checkpoint's files, from which a run goes on.
        buffer = folder / REPLAY_BUFFER
        model.save_replay_buffer(buffer)
        if model._vec_normalize_env is not None:
            model._vec_normalize_env.save(str(statistics_beside(path)))
        model.save(path)
        return f"the training so far is saved in {path} and {buffer}"


def _unmade_path(env: VecEnv) -> str | None:
    base = env.unwrapped
    return base.monitor_path if isinstance(base, UnmadeVecEnv) else None
