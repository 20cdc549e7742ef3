"""Where actions are chosen in training, and gradient steps while the environments step."""

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback, CallbackList
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.type_aliases import MaybeCallback, RolloutReturn
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecEnvWrapper
from stable_baselines3.common.vec_env.base_vec_env import VecEnvObs, VecEnvStepReturn

from sb3_scale.algorithms.acting import ActingCopy
from sb3_scale.algorithms.batch import Batch
from sb3_scale.algorithms.calibration import Calibrated


class Overlapped(Calibrated):
    """
    What ``acting_device`` and ``overlap`` mean.

    With ``overlap`` a ``train`` call within ``learn`` draws its batches and leaves its gradient
    steps for later: the next action is chosen and sent to the environments, and the gradient steps
    run until their answer is read. Batches, and the networks that callbacks find at each decision,
    are those of Stable-Baselines3's order. Only that one action is chosen without the gradient
    steps: its actor is one ``train`` call old. Random numbers are drawn in a fixed order, so one
    seed gives one training, but another one than without ``overlap``.

    Environments must step in processes or threads of their own. Where they don't, or a callback
    acts between gradient steps and the next action, one line says so and nothing is postponed.
    """

    acting_device: str | None
    overlap: bool

    _acting: ActingCopy | None = None
    _choosing = False
    _postpones = False
    _postponed: list[Batch] | None = None
    _stepped: "_Beside | None" = None

    def _make_acting_copy(self) -> None:
        if self.acting_device is not None:
            self._acting = ActingCopy(self.policy, self.optimizers(), self.acting_device)

    def _init_callback(self, callback: MaybeCallback, progress_bar: bool = False) -> BaseCallback:
        ready = super()._init_callback(callback, progress_bar)
        if self.overlap:
            assert self.env is not None
            obstacle = _obstacle(self.env, ready)
            self._postpones = obstacle is None
            if obstacle is not None:
                print(f"overlap: gradient steps run before the next action: {obstacle}")
        return ready

    def learn(self, *args: Any, **kwargs: Any) -> Self:
        """
        Train as Stable-Baselines3 does. No gradient step is left when it ends, however it ends.

        :param args: of ``learn`` in Stable-Baselines3
        :param kwargs: of the same
        :return: the algorithm
        """
        try:
            return super().learn(*args, **kwargs)
        finally:
            self._postpones = False
            self.finish_updates()

    def collect_rollouts(self, env: VecEnv, *args: Any, **kwargs: Any) -> RolloutReturn:
        """
        Collect transitions as Stable-Baselines3 does.

        :param env: the environments
        :param args: of ``collect_rollouts`` in Stable-Baselines3
        :param kwargs: of the same
        :return: how much was collected
        """
        if self._postpones:
            if self._stepped is None or self._stepped.venv is not env:
                self._stepped = _Beside(env, self)
            env = self._stepped
        return super().collect_rollouts(env, *args, **kwargs)

    def execute(self, batches: Iterable[Batch]) -> None:
        """
        Take the gradient steps of a ``train`` call, or postpone them if another action follows.

        :param batches: one per gradient step
        """
        if self._postpones and self.num_timesteps < self._total_timesteps:
            self._postponed = list(batches)
        else:
            super().execute(batches)

    def finish_updates(self) -> None:
        """
        Take the gradient steps that were postponed.

        :raises Sb3ScaleError: if a loss is not finite
        """
        batches, self._postponed = self._postponed, None
        if batches is not None:
            super().execute(batches)

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        self._choosing = True
        try:
            return super()._sample_action(learning_starts, action_noise, n_envs)
        finally:
            self._choosing = False

    def predict(
        self,
        observation: np.ndarray | dict[str, np.ndarray],
        state: tuple[np.ndarray, ...] | None = None,
        episode_start: np.ndarray | None = None,
        deterministic: bool = False,
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """
        Choose actions, as in Stable-Baselines3.

        :param observation: one, or a batch of them
        :param state: without effect
        :param episode_start: without effect
        :param deterministic: whether to return the mode instead of a sample
        :return: actions, and the state
        """
        if self._choosing and self._acting is not None:
            return self._acting.predict(observation, state, episode_start, deterministic)
        return super().predict(observation, state, episode_start, deterministic)

    def _excluded_save_params(self) -> list[str]:
        own = ["_acting", "_choosing", "_postpones", "_postponed", "_stepped"]
        return [*super()._excluded_save_params(), *own]


class _Beside(VecEnvWrapper):
    """
    Takes the postponed gradient steps while the environments step.

    :param venv: the environments
    :param model: the algorithm
    """

    def __init__(self, venv: VecEnv, model: Overlapped) -> None:
        super().__init__(venv)
        self._model = model

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
            self._model.finish_updates()
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
