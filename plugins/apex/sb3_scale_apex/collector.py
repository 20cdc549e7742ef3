"""Collection by many collectors, each with environments and a copy of the actor of its own."""

from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, ClassVar, Literal

from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import RolloutReturn
from stable_baselines3.common.vec_env import VecEnv

from sb3_scale.collection.local import LocalCollector
from sb3_scale.errors import Sb3ScaleError, check_at_least
from sb3_scale.extending import extends
from sb3_scale_apex.checks import (
    check_buffer,
    check_exploration,
    check_length,
    check_noise,
    check_transforms,
)
from sb3_scale_apex.engines import Engine, InlineEngine
from sb3_scale_apex.exploration import check_ladder
from sb3_scale_apex.fleet import Limits
from sb3_scale_apex.pace import EveryRollout, Pace, Ratio, check_ratio
from sb3_scale_apex.training import CollectedTraining, Settings


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
        self.envs = envs
        self.updates_per_decision = updates_per_decision
        judge = first_priorities == "td-error"
        self.settings = Settings(collectors, max_weight_age, noise, spread, judge)
        self.limits = Limits(in_flight, fragment_length)
        self._training: CollectedTraining | None = None

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
        collectors, each = self.settings.collectors, self.envs
        if each is None:
            each = -(-(n_envs or 0) // collectors) or 1
        if n_envs is not None and n_envs != each * collectors:
            own = f" of {self.envs} environments" if self.envs is not None else ""
            raise Sb3ScaleError(
                f"n_envs is {n_envs}, and there are {collectors} collectors{own}; allowed: "
                + (f"n_envs {each * collectors}" if own else "a multiple of the collectors")
            )
        return each * collectors

    def decisions_per_rollout(self, model: OffPolicyAlgorithm) -> float:
        """
        :param model: the algorithm, within ``learn``
        :return: decisions from one ``train`` call to the next; between bounds on gradient steps per
            decision, the fewest
        """
        if self.updates_per_decision is None:
            return super().decisions_per_rollout(model)
        return model.gradient_steps / self.updates_per_decision[1]

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
        check_buffer(model.replay_buffer, self.settings.judge)
        check_noise(self.settings.noise, model.action_noise)
        check_exploration(self.settings.noise, self.settings.spread, model.action_space)
        check_transforms(model)
        self._pace(model)

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
        check_length(self.limits.fragment_length, model.replay_buffer)
        self._training = CollectedTraining(
            self.settings,
            self.limits,
            self.make_engine(),
            self._pace(model),
            model,
            self._optimizers,
            callback,
        )
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

    :param in_flight: calls of each collector that are on their way while the networks learn; with 0
        it acts only while the learner waits for it, so with the present weights
    :param threads: of each collector's products of matrices
    :param address: of a Ray cluster, by default that of the environment variable ``RAY_ADDRESS``,
        and without it this machine alone
    :param cpus: that Ray sets aside for each collector
    :param resources: others, by name, that a node must have for each collector
    :param start_timeout: seconds in which a collector must be made
    :param fragment_timeout: seconds in which it must answer a call
    :param max_restarts: how often in a row a collector is replaced that does not answer
    """

    @extends(InlineCollector)
    def __init__(
        self,
        *,
        in_flight: int = 2,
        threads: int = 1,
        address: str | None = None,
        cpus: float = 1.0,
        resources: dict[str, float] | None = None,
        start_timeout: float = Limits.start_timeout,
        fragment_timeout: float = Limits.fragment_timeout,
        max_restarts: int = Limits.max_restarts,
        **options: Any,
    ) -> None:
        if find_spec("ray") is None:
            raise Sb3ScaleError(
                "collector 'ray' needs Ray, which is not installed; allowed: after pip install "
                "'sb3-scale[apex]', or collector: inline"
            )
        super().__init__(in_flight=in_flight, **options)
        check_at_least(1, threads=threads)
        check_at_least(0, cpus=cpus, max_restarts=max_restarts)
        check_at_least(0.1, start_timeout=start_timeout, fragment_timeout=fragment_timeout)
        self.limits = replace(
            self.limits,
            start_timeout=start_timeout,
            fragment_timeout=fragment_timeout,
            max_restarts=max_restarts,
        )
        self._of_ray = (address, cpus, resources or {}, threads)

    def make_engine(self) -> Engine:
        """
        :return: where the collectors run
        """
        # Ray takes its time to be imported.
        from sb3_scale_apex.ray_engine import RayEngine

        return RayEngine(*self._of_ray)
