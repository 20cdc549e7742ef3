"""Collection by many collectors, each with environments and a copy of the actor of its own."""

import tempfile
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

import gymnasium
import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import RolloutReturn
from stable_baselines3.common.vec_env import VecEnv

from sb3_scale.collection.local import LocalCollector
from sb3_scale.collection.unmade import UnmadeVecEnv
from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.replay.weighted import has_priorities
from sb3_scale_apex.checks import check_at_least, check_transforms, picklable_specs
from sb3_scale_apex.engines import Engine, InlineEngine
from sb3_scale_apex.environments import Environments, like
from sb3_scale_apex.exploration import check_ladder, ladder
from sb3_scale_apex.fleet import AllCollectorsLostError, Fleet, Limits
from sb3_scale_apex.pace import EveryRollout, Pace, Ratio, check_ratio
from sb3_scale_apex.playing import Player
from sb3_scale_apex.progress import Progress
from sb3_scale_apex.weights import Networks, take
from sb3_scale_apex.worker import Plan


class InlineCollector(LocalCollector):
    """
    The collectors of ``ray`` in this process, one after the other: the same code without Ray, for
    tests and for looking into it.

    :param collectors: how many
    :param envs: environments of each; by default ``n_envs`` of the training, shared out
    :param fragment_length: decisions of each environment that a collector sends at once
    :param in_flight: calls of each collector that are on their way while the networks learn; with 0
        it acts only while the learner waits for it, so with the present weights
    :param max_weight_age: gradient steps after which weights are sent anew
    :param updates_per_decision: ``[min, max]`` gradient steps per decision, between which learner
        and collectors run freely; by default what ``train_freq`` and ``gradient_steps`` say
    :param noise: ``[first, last]``: standard deviation of normal noise on actions in [-1, 1], a
        ladder from the first environment to the last, in place of ``action_noise``
    :param spread: ``[first, last]``: factor on the distance of actions from the actor's mode, a
        ladder from the first environment to the last
    :param first_priorities: of a prioritised buffer: the ``greatest`` so far, or the ``td-error``
        that a collector computes with its copy of the critic
    """

    own_environments: ClassVar[bool] = True

    def __init__(
        self,
        collectors: int = 2,
        envs: int | None = None,
        fragment_length: int = 16,
        in_flight: int = 0,
        max_weight_age: int = 0,
        updates_per_decision: list[float] | None = None,
        noise: list[float] | None = None,
        spread: list[float] | None = None,
        first_priorities: Literal["greatest", "td-error"] = "greatest",
    ) -> None:
        super().__init__()
        check_at_least(1, collectors=collectors, fragment_length=fragment_length)
        check_at_least(0, in_flight=in_flight, max_weight_age=max_weight_age)
        if envs is not None:
            check_at_least(1, envs=envs)
        check_ratio(updates_per_decision)
        check_ladder("noise", noise)
        check_ladder("spread", spread)
        self.collectors = collectors
        self.envs = envs
        self.max_weight_age = max_weight_age
        self.updates_per_decision = updates_per_decision
        self.noise = noise
        self.spread = spread
        self.first_priorities = first_priorities
        self.limits = Limits(in_flight, fragment_length, 120.0, 120.0, 3)
        self._training: _Training | None = None

    def make_engine(self) -> Engine:
        """
        :return: where the collectors run
        """
        return InlineEngine()

    def count_environments(self, n_envs: int | None) -> int:
        """
        :param n_envs: that were asked for, if any were
        :return: those of all collectors
        :raises Sb3ScaleError: if that is another number
        """
        each = self.envs
        if each is None:
            each = -(-(n_envs or 0) // self.collectors) or 1
        if n_envs is not None and n_envs != each * self.collectors:
            own = f" of {self.envs} environments" if self.envs is not None else ""
            raise Sb3ScaleError(
                f"n_envs is {n_envs}, and there are {self.collectors} collectors{own}; allowed: "
                + (f"n_envs {each * self.collectors}" if own else "a multiple of the collectors")
            )
        return each * self.collectors

    def bind(self, model: OffPolicyAlgorithm, optimizers: Sequence[Any]) -> None:
        """
        :param model: the algorithm that collects
        :param optimizers: of its policy
        :raises Sb3ScaleError: if algorithm, buffer or environments do not go with collectors
        """
        self._optimizers = list(optimizers)
        if model.env is None:
            # Loaded for prediction.
            return
        self._check(model)

    def _check(self, model: Any) -> None:
        self.count_environments(model.n_envs)
        buffer = model.replay_buffer
        if not isinstance(buffer, CompactReplayBuffer):
            raise Sb3ScaleError(
                f"collectors fill replay buffers of streams, and {type(buffer).__name__} is none; "
                "allowed as replay_buffer_class: compact, frames, prioritized, prioritized-frames, "
                "or classes derived from CompactReplayBuffer"
            )
        judged = self.first_priorities == "td-error"
        if judged and not has_priorities(type(buffer)):
            raise Sb3ScaleError(
                f"first_priorities is 'td-error', and {type(buffer).__name__} has no priorities; "
                "allowed: 'greatest', or replay_buffer_class: prioritized"
            )
        if self.noise is not None and model.action_noise is not None:
            raise Sb3ScaleError(
                f"noise is {shown(self.noise)}, and the algorithm has action_noise "
                f"{shown(model.action_noise)}; allowed: one of them"
            )
        check_transforms(model)
        self._pace(model)

    def _check_length(self, model: Any) -> None:
        most = model.replay_buffer.buffer_size
        if self.limits.fragment_length > most:
            raise Sb3ScaleError(
                f"fragment_length is {self.limits.fragment_length}, and the replay buffer holds "
                f"{most} transitions of each environment; allowed: at most as many"
            )

    def _pace(self, model: Any) -> Pace:
        if self.updates_per_decision is None:
            return EveryRollout(model.train_freq, model.n_envs)
        if model.gradient_steps < 1:
            raise Sb3ScaleError(
                f"gradient_steps is {model.gradient_steps}; allowed with updates_per_decision: at "
                "least 1, for each train call"
            )
        least, greatest = self.updates_per_decision
        return Ratio(least, greatest, model.gradient_steps)

    def start(self, model: OffPolicyAlgorithm, callback: BaseCallback) -> None:
        """
        Make the collectors.

        :param model: the algorithm, whose ``learn`` begins
        :param callback: all callbacks of the training
        :raises Sb3ScaleError: if there is no room for the collectors, or one cannot be made
        """
        self.stop(model)
        self._check(model)
        self._check_length(model)
        self._training = _Training(self, model, self._pace(model), callback)
        try:
            self._training.fleet.open()
        except BaseException:
            self.stop(model)
            raise

    def stop(self, model: OffPolicyAlgorithm) -> None:
        """
        End the collectors; what they have not sent is lost, and was not counted.

        :param model: the algorithm, whose ``learn`` ends, however it ends
        """
        training, self._training = self._training, None
        if training is not None:
            training.close()

    def collect(
        self, model: OffPolicyAlgorithm, env: VecEnv, *args: Any, **kwargs: Any
    ) -> RolloutReturn:
        """
        Take what collectors have sent.

        :param model: the algorithm
        :param env: without effect: collectors have their own
        :param args: of ``collect_rollouts`` in Stable-Baselines3
        :param kwargs: of the same
        :return: how much was collected
        :raises Sb3ScaleError: if no collector is left
        """
        if self._training is None:
            raise Sb3ScaleError(
                "collect_rollouts is called outside of learn, and collectors act only within it; "
                "allowed: collector: local"
            )
        return self._training.collect(*args, **kwargs)


class RayCollector(InlineCollector):
    """
    Collectors in processes of their own, on this machine or on the nodes of a Ray cluster: each has
    environments and a copy of extractor and actor, and sends what it did in fragments.

    Where Ray runs already, or at an address, it is used and left running. Else it is started on
    this machine and ended with the training. A collector that dies, hangs or was on a lost node is
    replaced; transitions count once, when they are taken.

    Source: Horgan et al., "Distributed Prioritized Experience Replay", 2018.

    :param collectors: how many
    :param envs: environments of each; by default ``n_envs`` of the training, shared out
    :param fragment_length: decisions of each environment that a collector sends at once
    :param in_flight: calls of each collector that are on their way while the networks learn; with 0
        it acts only while the learner waits for it, so with the present weights
    :param max_weight_age: gradient steps after which weights are sent anew
    :param updates_per_decision: ``[min, max]`` gradient steps per decision, between which learner
        and collectors run freely; by default what ``train_freq`` and ``gradient_steps`` say
    :param noise: ``[first, last]``: standard deviation of normal noise on actions in [-1, 1], a
        ladder from the first environment to the last, in place of ``action_noise``
    :param spread: ``[first, last]``: factor on the distance of actions from the actor's mode, a
        ladder from the first environment to the last
    :param first_priorities: of a prioritised buffer: the ``greatest`` so far, or the ``td-error``
        that a collector computes with its copy of the critic
    :param threads: of each collector's products of matrices
    :param address: of a Ray cluster, by default that of the environment variable ``RAY_ADDRESS``,
        and without it this machine alone
    :param cpus: that Ray sets aside for each collector
    :param resources: others, by name, that a node must have for each collector
    :param start_timeout: seconds in which a collector must be made
    :param fragment_timeout: seconds in which it must answer a call
    :param max_restarts: how often in a row a collector is replaced that does not answer
    """

    def __init__(
        self,
        collectors: int = 2,
        envs: int | None = None,
        fragment_length: int = 16,
        in_flight: int = 2,
        max_weight_age: int = 0,
        updates_per_decision: list[float] | None = None,
        noise: list[float] | None = None,
        spread: list[float] | None = None,
        first_priorities: Literal["greatest", "td-error"] = "greatest",
        threads: int = 1,
        address: str | None = None,
        cpus: float = 1.0,
        resources: dict[str, float] | None = None,
        start_timeout: float = 120.0,
        fragment_timeout: float = 120.0,
        max_restarts: int = 3,
    ) -> None:
        if find_spec("ray") is None:
            raise Sb3ScaleError(
                "collector 'ray' needs Ray, which is not installed; allowed: after pip install "
                "'sb3-scale[apex]', or collector: inline"
            )
        super().__init__(
            collectors,
            envs,
            fragment_length,
            in_flight,
            max_weight_age,
            updates_per_decision,
            noise,
            spread,
            first_priorities,
        )
        check_at_least(1, threads=threads)
        check_at_least(0, cpus=cpus, max_restarts=max_restarts)
        check_at_least(0.1, start_timeout=start_timeout, fragment_timeout=fragment_timeout)
        self.limits = Limits(
            in_flight, fragment_length, start_timeout, fragment_timeout, max_restarts
        )
        self._of_ray = (address, cpus, resources or {}, threads)

    def make_engine(self) -> Engine:
        """
        :return: where the collectors run
        """
        # Ray takes its time to be imported.
        from sb3_scale_apex.ray_engine import RayEngine

        return RayEngine(*self._of_ray)


class _Training:
    """
    What a collector has during one ``learn``.

    :param collector: with the settings
    :param model: the algorithm
    :param pace: of learner and collectors
    :param callback: all callbacks of the training
    """

    def __init__(
        self, collector: InlineCollector, model: Any, pace: Pace, callback: BaseCallback
    ) -> None:
        self._collector = collector
        self._model = model
        self._pace = pace
        n_envs = model.n_envs
        self._each = n_envs // collector.collectors
        seed = int(np.random.randint(2**31)) if model.seed is None else int(model.seed)
        # A training that goes on does not play the same episodes again.
        self._seed = seed + model.num_timesteps
        self._environments: Environments = like(model.env, self._seed)
        judges = collector.first_priorities == "td-error"
        self._networks = Networks(model.policy, model.training.objective, judges)
        self._copy = self._networks.copy(collector._optimizers)
        self._noise = ladder(collector.noise, n_envs)
        self._spread = ladder(collector.spread, n_envs)
        self._specs = picklable_specs(gymnasium.registry)
        self._version, self._updates, self._decisions = 0, -1, -1
        self._place: Any = None
        monitor = _unmade_path(model.env)
        self._folder = Path(monitor).parent if monitor else None
        self._player = Player(model, n_envs, monitor)
        self.engine = collector.make_engine()
        self.fleet = Fleet(
            self.engine,
            self._plan,
            [self._each] * collector.collectors,
            collector.limits,
            self._weights,
        )
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
            self._environments.seed_of(of.start, incarnation),
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
        aged = model._n_updates - self._updates > self._collector.max_weight_age
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
        model.save(path)
        buffer = folder / f"collectors_lost_{model.num_timesteps}_steps_replay_buffer.pkl"
        model.save_replay_buffer(buffer)
        return f"the training so far is saved in {path} and {buffer}"


def _unmade_path(env: VecEnv) -> str | None:
    base = env.unwrapped
    return base.monitor_path if isinstance(base, UnmadeVecEnv) else None
