"""What the environments share: actions that last several control steps, episodes of so many."""

import math
from collections.abc import Sequence

import gymnasium
import numpy as np
from numpy.typing import NDArray

from sb3_scale.errors import Sb3ScaleError, suggestion

FloatArray = NDArray[np.float32]


class ControlStepEnv(gymnasium.Env[FloatArray, FloatArray]):
    """
    An environment whose actions each last ``action_repeat`` control steps.

    :param episode_steps: control steps after which an episode is *truncated*
    :param action_repeat: control steps per action
    :param render_mode: ``None`` or one of the class's ``metadata["render_modes"]``
    :param width: of the picture, in pixels
    :param height: of the picture, in pixels
    :raises Sb3ScaleError: if an argument is out of range
    """

    def __init__(
        self,
        episode_steps: int,
        action_repeat: int,
        render_mode: str | None,
        width: int,
        height: int,
    ) -> None:
        check_counts(action_repeat=action_repeat, width=width, height=height)
        check_render_mode(render_mode, self.metadata["render_modes"])
        self.action_repeat = action_repeat
        self.render_mode = render_mode
        self.episode_steps = episode_steps
        self._steps_left = 0

    @property
    def max_episode_steps(self) -> int:
        """Actions in the longest episode."""
        return math.ceil(self.episode_steps / self.action_repeat)

    def _set_control_timestep(self, seconds: float) -> None:
        """
        Tell those who record videos how fast the pictures follow each other.

        :param seconds: simulated time of a control step
        """
        self.metadata = {**self.metadata, "render_fps": 1.0 / (seconds * self.action_repeat)}

    def _begin_episode(self) -> None:
        self._steps_left = self.episode_steps

    def _repeat(self, action: FloatArray) -> tuple[float, bool, bool]:
        """
        Apply an action for ``action_repeat`` control steps, fewer where the episode ends.

        :param action: within the action space
        :return: sum of rewards, terminated, truncated
        :raises gymnasium.error.ResetNeeded: if the episode is over
        """
        if self._steps_left == 0:
            raise gymnasium.error.ResetNeeded("the episode is over: call reset() before step()")
        total, terminated, truncated = 0.0, False, False
        for _ in range(min(self.action_repeat, self._steps_left)):
            reward, terminated, truncated = self._control_step(action)
            total += reward
            self._steps_left -= 1
            if terminated or truncated:
                self._steps_left = 0
                break
        return total, terminated, self._steps_left == 0 and not terminated

    def _control_step(self, action: FloatArray) -> tuple[float, bool, bool]:
        """
        Advance the simulation once.

        :param action: within the action space
        :return: reward, terminated, truncated by the task itself
        """
        raise NotImplementedError


def check_counts(**values: int) -> None:
    """
    :param values: numbers by name
    :raises Sb3ScaleError: if one is no whole number, or less than 1
    """
    for name, value in values.items():
        if type(value) is not int or value < 1:
            raise Sb3ScaleError(f"{name} is {value!r}; allowed: a whole number, at least 1")


def check_render_mode(render_mode: str | None, modes: Sequence[str]) -> None:
    """
    :param render_mode: ``None`` or one of ``modes``
    :param modes: what the environment can draw
    :raises Sb3ScaleError: if it is none of them
    """
    if render_mode is not None and render_mode not in modes:
        raise Sb3ScaleError(f"render_mode is {render_mode!r}{suggestion(render_mode, modes)}")
