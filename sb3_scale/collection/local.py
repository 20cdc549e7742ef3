"""Collection in this process, as Stable-Baselines3 does it."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import RolloutReturn, TrainFrequencyUnit
from stable_baselines3.common.vec_env import VecEnv

from sb3_scale.collection.acting import ActingCopy
from sb3_scale.execution.devices import check_device
from sb3_scale.learning.batch import Batch


class LocalCollector:
    """
    The environments and the gradient steps take turns in this process.

    :param acting_device: where a copy of extractor and actor chooses the actions in training, for
        instance ``cpu`` with the networks on a GPU; nothing for the networks themselves
    """

    own_environments: ClassVar[bool] = False

    def __init__(self, acting_device: str | None = None) -> None:
        if acting_device is not None:
            check_device("acting_device", acting_device, "cpu, or nothing")
        self.acting_device = acting_device
        self._acting: ActingCopy | None = None

    def count_environments(self, n_envs: int | None) -> int:
        """
        :param n_envs: that were asked for, if any were
        :return: how many the training has
        """
        return 1 if n_envs is None else n_envs

    def decisions_per_rollout(self, model: OffPolicyAlgorithm) -> float:
        """
        :param model: the algorithm, within ``learn``
        :return: decisions from one ``train`` call to the next; where rollouts are episodes, as if
            they stayed as long as those so far
        """
        frequency: Any = model.train_freq
        length: float = model.n_envs
        if frequency.unit is TrainFrequencyUnit.EPISODE:
            length = max(model.num_timesteps / max(model._episode_num, 1), 1)
        return float(frequency.frequency * length)

    def bind(self, model: OffPolicyAlgorithm, optimizers: Sequence[Any]) -> None:
        """
        Called once the policy exists.

        :param model: the algorithm that collects
        :param optimizers: of its policy
        """
        if self.acting_device is not None:
            self._acting = ActingCopy(model.policy, optimizers, self.acting_device)  # type: ignore[arg-type]

    def start(self, model: OffPolicyAlgorithm, callback: BaseCallback) -> None:
        """
        Called when ``learn`` begins.

        :param model: the algorithm
        :param callback: all callbacks of the training
        """

    def stop(self, model: OffPolicyAlgorithm) -> None:
        """
        Called when ``learn`` ends, however it ends.

        :param model: the algorithm
        """

    def collect(
        self, model: OffPolicyAlgorithm, env: VecEnv, *args: Any, **kwargs: Any
    ) -> RolloutReturn:
        """
        Collect transitions.

        :param model: the algorithm, whose ``_store_transition`` takes them
        :param env: the environments
        :param args: of ``collect_rollouts`` in Stable-Baselines3
        :param kwargs: of the same
        :return: how much was collected
        """
        return OffPolicyAlgorithm.collect_rollouts(model, env, *args, **kwargs)

    def choose(
        self, predict: Callable[..., Any], observation: Any, deterministic: bool
    ) -> tuple[np.ndarray, tuple[np.ndarray, ...] | None]:
        """
        Choose the actions of the next environment step.

        :param predict: of the policy, its ``explore``
        :param observation: of all environments
        :param deterministic: whether to take the mode instead of a sample
        :return: actions and state, as from ``predict``
        """
        if self._acting is not None:
            predict = self._acting.explore
        found: tuple[np.ndarray, tuple[np.ndarray, ...] | None] = predict(
            observation, deterministic=deterministic
        )
        return found

    def update(
        self,
        model: OffPolicyAlgorithm,
        gradient_steps: Callable[[Iterable[Batch]], None],
        batches: Iterable[Batch],
    ) -> None:
        """
        Take the gradient steps of a ``train`` call.

        :param model: the algorithm
        :param gradient_steps: takes them
        :param batches: one per step, each drawn when it is asked for
        """
        gradient_steps(batches)
