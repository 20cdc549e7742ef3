"""Navigation in n dimensions: the dynamics, for any number of environments over one array."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from gymnasium import spaces
from gymnasium.error import ResetNeeded
from numpy.random import Generator
from numpy.typing import NDArray

from sb3_scale.errors import Sb3ScaleError
from sb3_scale_envs.control_steps import FloatArray, check_counts, check_render_mode
from sb3_scale_envs.navigation_picture import draw, load_figure

METADATA: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 30}
"""Of the classes that step this; a position has no physical time, so the rate is a choice."""


class Navigation:
    """
    Positions x in n dimensions.

    Source: Hui, "Stabilizing Q-Learning for Continuous Control", MSc thesis, 2022, section 3.2.

    .. code-block:: text

        x_0 ~ N(0, I),  x_{t+1} = x_t + clip(a_t, -1, 1),  r_t = (|x_t| - |x_{t+1}|) / sqrt(n)

    Each row of the array is an environment, and no row depends on another, so that one row gives
    the bits that many rows give. Positions are float64, observations float32.

    :param count: number of environments, at least 1
    :param n: dimension of the space
    :param episode_steps: steps after which an episode is over
    :param render_mode: ``None`` or ``"rgb_array"``, which remembers the path of the episode
    :raises Sb3ScaleError: if an argument is out of range, or a picture needs what is not installed
    """

    def __init__(self, count: int, n: int, episode_steps: int, render_mode: str | None) -> None:
        check_counts(n=n, episode_steps=episode_steps)
        check_render_mode(render_mode, METADATA["render_modes"])
        self._n, self._episode_steps = n, episode_steps
        self._positions = np.zeros((count, n))
        self._distances, self._starts, self._best_returns = np.ones((3, count))
        # Over, so that the first step needs a reset.
        self._steps = np.full(count, episode_steps)
        self._paths: list[list[NDArray[np.float64]]] | None = None
        if render_mode is not None:
            load_figure()
            self._paths = [[] for _ in range(count)]

    @property
    def over(self) -> NDArray[np.bool_]:
        """Whether each episode has had its steps, ``(count,)``."""
        return self._steps >= self._episode_steps

    def begin(self, rows: NDArray[np.intp], generators: Sequence[Generator]) -> None:
        """
        Begin episodes in some environments.

        :param rows: indices of the environments
        :param generators: of all environments
        """
        for row in rows:
            generators[row].standard_normal(out=self._positions[row])
        starts = self._positions[rows]
        distances = np.linalg.norm(starts, axis=1)
        self._distances[rows] = self._starts[rows] = distances
        self._best_returns[rows] = best_return(starts, self._episode_steps)
        self._steps[rows] = 0
        if self._paths is not None:
            for row in rows:
                self._paths[row] = [self._shown()[row].copy()]

    def move(
        self, actions: NDArray[Any], resting: NDArray[np.bool_] | bool = False
    ) -> NDArray[np.float64]:
        """
        Apply an action in each environment.

        :param actions: ``(count, n)``; what lies outside [-1, 1] is clipped
        :param resting: environments that are over and will begin before they are looked at
        :return: rewards ``(count,)``
        :raises Sb3ScaleError: if the actions have another shape
        :raises gymnasium.error.ResetNeeded: if the episode of another environment is over
        """
        if np.shape(actions) != self._positions.shape:
            raise Sb3ScaleError(
                f"actions have the shape {np.shape(actions)}; allowed: {self._positions.shape}, "
                "one row per environment and one column per dimension"
            )
        if np.any(self.over & np.logical_not(resting)):
            raise ResetNeeded("the episode is over: call reset() before step()")
        self._positions += np.clip(actions, -1.0, 1.0)
        before, self._distances = self._distances, np.linalg.norm(self._positions, axis=1)
        self._steps += 1
        if self._paths is not None:
            for path, position in zip(self._paths, self._shown(), strict=True):
                path.append(position.copy())
        return cast("NDArray[np.float64]", (before - self._distances) / np.sqrt(self._n))

    def observations(self) -> FloatArray:
        """
        :return: the positions ``(count, n)``, an array of its own
        """
        return self._positions.astype(np.float32)

    def infos(self) -> dict[str, NDArray[np.float64]]:
        """
        :return: ``best_return``, the best of the whole episode from its start, and
            ``normalized_return``, the sum of rewards so far divided by it; ``(count,)`` each, to
            read only
        """
        # The rewards telescope.
        returns = (self._starts - self._distances) / np.sqrt(self._n)
        return {
            "best_return": self._best_returns,
            "normalized_return": returns / self._best_returns,
        }

    def _shown(self) -> NDArray[np.float64]:
        return self._positions if self._n == 2 else self._distances[:, np.newaxis]

    def picture(self, row: int) -> NDArray[np.uint8] | None:
        """
        :param row: the environment
        :return: ``(480, 480, 3)``, ``None`` without a ``render_mode``
        :raises gymnasium.error.ResetNeeded: if there was no episode yet
        """
        if self._paths is None:
            return None
        if not self._paths[row]:
            raise ResetNeeded("nothing to draw: call reset() before render()")
        return draw(np.array(self._paths[row]), self.infos()["normalized_return"][row])


def best_return(starts: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """
    The largest sum of rewards. It telescopes to (|x_0| - |x_T|) / sqrt(n), and of all positions
    that T steps can reach, the nearest to the origin has the components max(|x_0i| - T, 0).

    :param starts: positions ``(count, n)``
    :param steps: T
    :return: ``(count,)``; |x_0| / sqrt(n) where T is at least max_i |x_0i|
    """
    nearest = np.maximum(np.abs(starts) - steps, 0.0)
    gain = np.linalg.norm(starts, axis=1) - np.linalg.norm(nearest, axis=1)
    return cast("NDArray[np.float64]", gain / np.sqrt(starts.shape[1]))


def space_of(n: int, bound: float) -> spaces.Space[FloatArray]:
    """
    :param n: dimension
    :param bound: of each component
    :return: positions or actions of one environment, float32
    """
    return cast("spaces.Space[FloatArray]", spaces.Box(-bound, bound, (n,), np.float32))
