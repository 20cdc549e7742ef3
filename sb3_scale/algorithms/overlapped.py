"""Where actions are chosen in training, and gradient steps beside the environment's step."""

from collections.abc import Iterable
from functools import partial
from typing import Any, Self

import numpy as np
import torch as th
from stable_baselines3.common.callbacks import BaseCallback, CallbackList, ConvertCallback
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.type_aliases import MaybeCallback

from sb3_scale.algorithms.acting import ActingCopy
from sb3_scale.algorithms.background import Background
from sb3_scale.algorithms.batch import Batch
from sb3_scale.algorithms.update import SharedUpdate


class Overlapped(SharedUpdate):
    """
    What ``acting_device`` and ``overlap`` mean.

    With ``overlap`` a ``train`` call within ``learn`` draws its batches and leaves its gradient
    steps for later. They begin once the next action is chosen, run beside the environment's step,
    and are waited for before callbacks see that step. So the replay batches are those of
    Stable-Baselines3's order, and the networks are at rest for everybody but the environment, which
    must not draw from PyTorch's default generator; then one seed gives one training. Only the
    action at hand is chosen without these gradient steps: its actor is one ``train`` call old.
    """

    acting_device: str | None
    overlap: bool

    _acting: ActingCopy | None = None
    _choosing = False
    _updates: Background[dict[str, float]] | None = None

    def _make_acting_copy(self) -> None:
        if self.acting_device is not None:
            self._acting = ActingCopy(self.policy, self.optimizers(), self.acting_device)

    def learn(self, *args: Any, **kwargs: Any) -> Self:
        """
        Train as Stable-Baselines3 does. All gradient steps are done when it ends, however it ends.

        :param args: of ``learn`` in Stable-Baselines3
        :param kwargs: of the same
        :return: the algorithm
        """
        try:
            return super().learn(*args, **kwargs)
        finally:
            updates, self._updates = self._updates, None
            if updates is not None:
                self._log(updates.close())

    def _init_callback(self, callback: MaybeCallback, progress_bar: bool = False) -> BaseCallback:
        if self.overlap:
            given = callback if isinstance(callback, list) else [callback]
            callbacks = [
                each if isinstance(each, BaseCallback) else ConvertCallback(each) for each in given
            ]
            early = _first_at_rollout_start(callbacks)
            if early is None:
                self._updates = Background()
                callback = [_Finish(), *callbacks]
            else:
                print(
                    "overlap: gradient steps run before the next action: callback "
                    f"{type(early).__name__} comes between them"
                )
        return super()._init_callback(callback, progress_bar)

    def _sample_action(
        self, learning_starts: int, action_noise: ActionNoise | None = None, n_envs: int = 1
    ) -> tuple[np.ndarray, np.ndarray]:
        self._choosing = True
        try:
            chosen = super()._sample_action(learning_starts, action_noise, n_envs)
        finally:
            self._choosing = False
        if self._updates is not None:
            self._updates.start()
        return chosen

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
        if not self._choosing:
            self.finish_updates()
        elif self._acting is not None:
            return self._acting.predict(observation, state, episode_start, deterministic)
        return super().predict(observation, state, episode_start, deterministic)

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """
        Update the policy; within ``learn``, ``overlap`` runs the gradient steps later.

        :param gradient_steps: number of batches
        :param batch_size: transitions per batch
        :raises Sb3ScaleError: if a loss is not finite; the last batch is saved for inspection
        """
        self.finish_updates()
        super().train(gradient_steps, batch_size)

    def execute(self, batches: Iterable[Batch]) -> None:
        """
        Take the gradient steps of a ``train`` call, or postpone them.

        :param batches: one per gradient step
        """
        if self._updates is None:
            super().execute(batches)
        else:
            self._updates.postpone(partial(self.update_networks, list(batches)))

    def finish_updates(self) -> None:
        """
        Wait for the gradient steps that run beside the environment's step, and log them.

        :raises Sb3ScaleError: if a loss is not finite
        """
        if self._updates is not None:
            self._log(self._updates.finish())

    def _log(self, figures: dict[str, float] | None) -> None:
        if figures is not None:
            self.record_figures(figures)

    def get_parameters(self) -> dict[str, dict[str, Any]]:
        """
        :return: state of the networks and optimisers by name, as in Stable-Baselines3
        """
        self.finish_updates()
        return super().get_parameters()

    def set_parameters(
        self,
        load_path_or_dict: Any,
        exact_match: bool = True,
        device: th.device | str = "auto",
    ) -> None:
        """
        Load parameters, as in Stable-Baselines3.

        :param load_path_or_dict: what :meth:`get_parameters` gives, or the path of a zip file
        :param exact_match: whether all parameters must be given
        :param device: where a file is loaded
        """
        self.finish_updates()
        super().set_parameters(load_path_or_dict, exact_match, device)

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_acting", "_choosing", "_updates"]


class _Finish(BaseCallback):
    """Stands before all callbacks: they find the networks at rest and the figures logged."""

    model: Overlapped

    def _on_step(self) -> bool:
        self.model.finish_updates()
        return True

    def _on_training_end(self) -> None:
        self.model.finish_updates()


def _first_at_rollout_start(callbacks: Iterable[BaseCallback]) -> BaseCallback | None:
    """What acts between a ``train`` call and the next action, where networks are not at rest."""
    for callback in callbacks:
        if isinstance(callback, CallbackList):
            inner = _first_at_rollout_start(callback.callbacks)
            if inner is not None:
                return inner
        elif type(callback)._on_rollout_start is not BaseCallback._on_rollout_start:
            return callback
    return None
