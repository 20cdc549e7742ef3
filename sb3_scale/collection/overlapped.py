"""Gradient steps while the environments step."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import RolloutReturn
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from sb3_scale.collection.local import LocalCollector
from sb3_scale.learning.batch import Batch
from sb3_scale.notices import notice


class OverlappedCollector(LocalCollector):
    """
    Gradient steps run while the environments take their next step.

    A ``train`` call within ``learn`` draws its batches and leaves its gradient steps for later: the
    next action is chosen and sent to the environments, and the gradient steps run until their
    answer is read. Batches, and the networks that callbacks find at each decision, are those of
    Stable-Baselines3's order. Only that one action is chosen without the gradient steps: its actor
    is one ``train`` call old. Random numbers are drawn in a fixed order, so one seed gives one
    training, but another one than that of ``local``.

    Environments must step in processes or threads of their own. Where they don't, or a callback
    acts between gradient steps and the next action, one line says so and nothing is postponed.

    :param acting_device: where a copy of extractor and actor chooses the actions in training, for
        instance ``cpu`` with the networks on a GPU; nothing for the networks themselves
    """

    def __init__(self, acting_device: str | None = None) -> None:
        super().__init__(acting_device)
        self._postpones = False
        self._postponed: Callable[[], None] | None = None
        self._env: OverlappedVecEnv | None = None

    def start(self, model: OffPolicyAlgorithm, callback: BaseCallback) -> None:
        """
        Decide whether anything can be postponed.

        :param model: the algorithm
        :param callback: all callbacks of the training
        """
        assert model.env is not None
        obstacle = _obstacle(model.env, callback)
        self._postpones = obstacle is None
        if obstacle is not None:
            notice(f"overlapped: gradient steps run before the next action: {obstacle}")

    def stop(self, model: OffPolicyAlgorithm) -> None:
        """
        Take what is left, so that no gradient step is missing when ``learn`` ends.

        :param model: the algorithm
        """
        self._postpones = False
        self.finish()

    def collect(
        self, model: OffPolicyAlgorithm, env: VecEnv, *args: Any, **kwargs: Any
    ) -> RolloutReturn:
        """
        Collect transitions as Stable-Baselines3 does.

        :param model: the algorithm
        :param env: the environments
        :param args: of ``collect_rollouts`` in Stable-Baselines3
        :param kwargs: of the same
        :return: how much was collected
        """
        if self._postpones:
            if self._env is None or self._env.venv is not env:
                self._env = OverlappedVecEnv(env, self.finish)
            env = self._env
        return super().collect(model, env, *args, **kwargs)

    def update(
        self,
        model: OffPolicyAlgorithm,
        gradient_steps: Callable[[Iterable[Batch]], None],
        batches: Iterable[Batch],
    ) -> None:
        """
        Take the gradient steps of a ``train`` call, or postpone them if another action follows.

        :param model: the algorithm
        :param gradient_steps: takes them
        :param batches: one per step, all drawn now where the steps are postponed
        """
        if self._postpones and model.num_timesteps < model._total_timesteps:
            self._postponed = partial(gradient_steps, list(batches))
        else:
            super().update(model, gradient_steps, batches)

    def finish(self) -> None:
        """
        Take the gradient steps that were postponed.

        :raises Sb3ScaleError: if a loss is not finite
        """
        postponed, self._postponed = self._postponed, None
        if postponed is not None:
            postponed()


class OverlappedVecEnv(VecEnvWrapper):
    """
    Calls something while the environments step.

    :param venv: the environments
    :param meanwhile: what to call
    """

    def __init__(self, venv: VecEnv, meanwhile: Callable[[], None]) -> None:
        super().__init__(venv)
        self._meanwhile = meanwhile

    def reset(self) -> VecEnvObs:
        """
        :return: first observations
        """
        return self.venv.reset()

    def step_wait(self) -> VecEnvStepReturn:
        """
        :return: what the environments answer
        """
        try:
            self._meanwhile()
        finally:
            # Also after an interruption, so that the environments wait for a command again.
            answer = self.venv.step_wait()
        return answer


def _obstacle(env: VecEnv, callback: BaseCallback) -> str | None:
    if isinstance(env.unwrapped, DummyVecEnv):
        return "DummyVecEnv steps only when it is waited for, unlike SubprocVecEnv"
    early = _at_rollout_start(callback)
    if early is not None:
        return f"callback {type(early).__name__} comes between them"
    return None


def _at_rollout_start(callback: BaseCallback) -> BaseCallback | None:
    """Find what acts between a ``train`` call and the next action."""
    if isinstance(callback, CallbackList):
        return next(filter(None, map(_at_rollout_start, callback.callbacks)), None)
    names = ("on_rollout_start", "_on_rollout_start")
    overrides = any(
        getattr(type(callback), name) is not getattr(BaseCallback, name) for name in names
    )
    return callback if overrides else None
