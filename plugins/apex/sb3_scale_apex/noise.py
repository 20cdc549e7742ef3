"""The noise that a collector adds to its actions."""

from copy import deepcopy
from typing import Any

import cloudpickle
import numpy as np
from stable_baselines3.common.noise import ActionNoise, VectorizedActionNoise


class FollowedNoise:
    """
    A collector's copy of the algorithm's noise. It begins anew where that of the algorithm changed,
    and else goes on, however often it is received.

    :param n_envs: environments of the collector
    """

    def __init__(self, n_envs: int) -> None:
        self._n_envs = n_envs
        self._received = b""
        self._present: ActionNoise | None = None

    def follow(self, noise: ActionNoise | None) -> ActionNoise | None:
        """
        :param noise: of the algorithm, for the environments of all collectors
        :return: for those of this one
        """
        base = noise.base_noise if isinstance(noise, VectorizedActionNoise) else noise
        received = cloudpickle.dumps(base)
        if received != self._received:
            self._received = received
            self._present = None if base is None else self._copy(base)
        return self._present

    def _copy(self, base: ActionNoise) -> ActionNoise:
        own = deepcopy(base)
        return own if self._n_envs == 1 else VectorizedActionNoise(own, self._n_envs)


class LadderNoise(ActionNoise):
    """
    Normal noise, with a standard deviation of its own for each environment.

    :param sigmas: standard deviations, ``(n_envs,)``
    :param shape: of an action
    """

    def __init__(self, sigmas: np.ndarray, shape: tuple[int, ...]) -> None:
        super().__init__()
        self._shape = (len(sigmas), *shape)
        self._sigmas = sigmas.reshape(-1, *[1] * len(shape))

    def __call__(self) -> np.ndarray:
        """
        :return: for actions in [-1, 1], ``(n_envs, *shape)``
        """
        return np.random.normal(0, self._sigmas, self._shape).astype(np.float32)

    def reset(self, indices: Any = None) -> None:
        """Nothing is remembered."""
