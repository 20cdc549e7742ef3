"""What a training sees of its environments, and what of it reaches the parts that look at it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sb3_scale.collection.calibration import Calibration
from sb3_scale.collection.checked import CheckedAnswers
from sb3_scale.collection.episodes import ObservedBuffer
from sb3_scale.learning.actor_critic import Objective

if TYPE_CHECKING:
    from sb3_scale.algorithms.base import ScaleAlgorithm


class Experience:
    """
    The environments' answers on their way to the replay buffer: checked, counted by transforms and
    by a calibrated loss.

    :param model: the algorithm
    :param objective: what it maximises
    :param own_environments: whether its collector steps environments of its own
    """

    def __init__(
        self, model: "ScaleAlgorithm", objective: Objective, own_environments: bool
    ) -> None:
        self._model = model
        self._own_environments = own_environments
        self.is_choosing = False
        self._checked: CheckedAnswers | None = None
        self.calibration: Calibration | None = None
        if model.policy.loss.calibrated:
            self.calibration = Calibration(
                model.policy, objective, lambda: model.gamma, lambda: model._vec_normalize_env
            )

    def calibrate(self) -> None:
        """Let a calibrated loss take in the episodes that ended since, and log what it found."""
        if self.calibration is not None:
            for name, value in self.calibration.calibrate(self._model._n_updates).items():
                self._model.logger.record(f"calibration/{name}", float(value))

    @contextmanager
    def choosing(self) -> Iterator[None]:
        """Within it, predictions choose the next actions of the training."""
        self.is_choosing = True
        try:
            yield
        finally:
            self.is_choosing = False

    def checked(self, env: VecEnv) -> CheckedAnswers:
        """
        :param env: the environments
        :return: the same, which stop where they answer with a number that is not finite
        """
        if self._checked is None or self._checked.venv is not env:
            self._checked = CheckedAnswers(env, lambda: self._model.num_timesteps)
        return self._checked

    @contextmanager
    def first_observations(self, env: VecEnv) -> Iterator[None]:
        """
        Within it, the environments may be reset.

        :param env: the environments
        :raises Sb3ScaleError: if a number of an observation is not finite, its shape another, or
            the answer of no kind that Stable-Baselines3 reads
        """
        checked = self.checked(env)
        before = self._model._last_obs
        statistics = checked.statistics()
        normalize = self._model._vec_normalize_env
        unused = normalize if self._own_environments else None
        with checked.shapes, checked.readable(), nothing_learned(unused):
            yield
        if self._model._last_obs is not before:
            checked.check_reset(self._model._last_obs, statistics)

    def restart(self, streams: np.ndarray | None = None) -> None:
        """
        Environments began anew: what is seen of them from now on does not go on.

        :param streams: which, ``(k,)``; nothing for all of them
        """
        of = () if streams is None else (streams,)
        if self.calibration is not None:
            self.calibration.restart(*of)
        for transform in self._model.policy.transforms:
            transform.restart(*of)

    def observed(self, buffer: ReplayBuffer) -> ReplayBuffer:
        """
        :param buffer: where transitions are stored
        :return: the same, seen by the parts that look at transitions
        """
        observers = self.observers(buffer)
        return ObservedBuffer(buffer, observers) if observers else buffer  # type: ignore[return-value]

    def observers(self, buffer: ReplayBuffer) -> list[Callable[..., None]]:
        """
        :param buffer: where transitions are stored
        :return: what looks at transitions: called with the arguments of the buffer's ``add``, and
            with the environments that they are of where those are not all
        """
        observers = [_observing(transform) for transform in self._model.policy.transforms]
        if self.calibration is not None:
            observers.append(self.calibration.recorder(buffer).observe)
        return observers


@contextmanager
def nothing_learned(normalize: VecNormalize | None) -> Iterator[None]:
    """
    Within it, observations do not count.

    :param normalize: whose statistics stay, if there is any
    """
    if normalize is None:
        yield
        return
    before, normalize.training = normalize.training, False
    try:
        yield
    finally:
        normalize.training = before


def _observing(transform: Any) -> Callable[..., None]:
    def observe(
        obs: Any,
        next_obs: Any,
        action: Any,
        reward: np.ndarray,
        done: np.ndarray,
        infos: Any,
        *streams: np.ndarray,
    ) -> None:
        transform.observe(reward, done, *streams)

    return observe
