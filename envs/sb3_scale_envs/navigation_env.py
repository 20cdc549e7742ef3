"""Navigation in n dimensions as a Gymnasium environment."""

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from sb3_scale.errors import Sb3ScaleError
from sb3_scale_envs.control_steps import FloatArray
from sb3_scale_envs.navigation import METADATA, Navigation, space_of


class NavigationEnv(gymnasium.Env[FloatArray, FloatArray]):
    """
    Walk to the origin of an n-dimensional space, the same task in any dimension.

    The observation is the position x, float32 and unbounded. An action in [-1, 1]^n moves it;
    what lies outside is clipped. The reward is (|x_t| - |x_{t+1}|) / sqrt(n). An episode begins
    at a draw from the unit Gaussian and is *truncated* after ``episode_steps``, never
    *terminated*. Source: Hui, "Stabilizing Q-Learning for Continuous Control", MSc thesis, 2022,
    section 3.2.

    ``info["best_return"]`` is the largest return that the episode can have from its start, and
    ``info["normalized_return"]`` the return so far divided by it: 1 is optimal.

    :param n: dimension of the space
    :param episode_steps: steps per episode
    :param render_mode: ``None`` or ``"rgb_array"``: the path in the plane for n = 2, otherwise the
        distance to the origin over time
    :raises Sb3ScaleError: if an argument is out of range, or if matplotlib is missing for pictures
    """

    metadata = METADATA

    def __init__(
        self, n: int = 2, episode_steps: int = 1000, render_mode: str | None = None
    ) -> None:
        self._world = Navigation(1, n, episode_steps, render_mode)
        self.n, self.episode_steps, self.render_mode = n, episode_steps, render_mode
        self.observation_space = space_of(n, np.inf)
        self.action_space = space_of(n, 1.0)

    @property
    def max_episode_steps(self) -> int:
        """Steps of each episode."""
        return self.episode_steps

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[FloatArray, dict[str, Any]]:
        """
        Begin an episode.

        :param seed: of the episodes from here on; ``None`` goes on with the stream
        :param options: none are known, ignored
        :return: position ``(n,)`` and information
        """
        super().reset(seed=seed)
        self._world.begin(np.zeros(1, np.intp), [self.np_random])
        return self._world.observations()[0], self._info()

    def step(self, action: FloatArray) -> tuple[FloatArray, float, bool, bool, dict[str, Any]]:
        """
        Move.

        :param action: ``(n,)``; what lies outside [-1, 1] is clipped
        :return: position ``(n,)``, reward, terminated, truncated, information
        :raises Sb3ScaleError: if the action has another shape
        :raises gymnasium.error.ResetNeeded: if the episode is over
        """
        if np.shape(action) != (self.n,):
            raise Sb3ScaleError(
                f"the action has the shape {np.shape(action)}; allowed: {(self.n,)}, one number "
                "per dimension"
            )
        (reward,) = self._world.move(np.asarray(action)[np.newaxis])
        (truncated,) = self._world.over
        return self._world.observations()[0], float(reward), False, bool(truncated), self._info()

    def _info(self) -> dict[str, Any]:
        return {key: float(values[0]) for key, values in self._world.infos().items()}

    def render(self) -> NDArray[np.uint8] | None:
        """
        :return: ``(480, 480, 3)`` with ``render_mode="rgb_array"``, otherwise ``None``
        :raises gymnasium.error.ResetNeeded: if there was no episode yet
        """
        return self._world.picture(0)
