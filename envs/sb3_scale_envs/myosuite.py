"""A task of MyoSuite as a Gymnasium environment, run by EnvPool."""

from types import ModuleType
from typing import Any, cast

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.utils import EzPickle
from numpy.typing import NDArray

from sb3_scale.errors import Sb3ScaleError, suggestion
from sb3_scale_envs.control_steps import ControlStepEnv, FloatArray
from sb3_scale_envs.envpool_loading import load_envpool
from sb3_scale_envs.rendering import load_triton
from sb3_scale_envs.tasks import MYO_TASKS

EPISODE_STEPS = 100
"""Control steps per episode: what TD-MPC2, BRO and the papers that compare with them use."""

CAMERAS = 7
"""Number of cameras in each model; EnvPool knows them by their numbers."""

HAND_SIDE_INTER = 4
"""The camera that TD-MPC2 and others draw from."""


class CannotDrawError(Sb3ScaleError, TypeError):
    """
    Raised where EnvPool cannot draw. After a ``TypeError`` Stable-Baselines3, which asks for
    pictures unasked, makes the environment without them.
    """


class MyoSuiteEnv(ControlStepEnv, EzPickle):
    """
    A task of the hand in MyoSuite (Caggiano et al., 2022, arXiv:2205.13600).

    Observations are MyoSuite's, as float32. An action in [-1, 1] per muscle becomes the excitation
    1 / (1 + exp(-5 (action - 0.5))). An episode ends after 100 control steps as *truncated*, or
    earlier as *terminated* where MyoSuite ends it: the object is dropped, or the hand too far off.

    ``info["solved"]`` is MyoSuite's, for the last control step. ``info["is_success"]`` says
    whether any control step of the episode so far was solved, as BRO counts success.

    A reset with a seed below 2**31 gives exactly the episode of EnvPool with that ``seed``; a reset
    without one goes on with the random stream. Only the tasks ``...-hard`` draw anything.

    A pickled or copied environment starts afresh: it must be reset first.

    :param task: for instance ``"key-turn"``
    :param action_repeat: control steps per action; the rewards are summed
    :param render_mode: ``None`` or ``"rgb_array"``
    :param width: of the picture, in pixels
    :param height: of the picture, in pixels
    :param camera_id: number of a camera of the task, -1 for the free one
    :raises Sb3ScaleError: if an argument is out of range, or if EnvPool is missing or too old
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(
        self,
        task: str,
        action_repeat: int = 1,
        render_mode: str | None = None,
        width: int = 480,
        height: int = 480,
        camera_id: int = HAND_SIDE_INTER,
    ) -> None:
        EzPickle.__init__(self, task, action_repeat, render_mode, width, height, camera_id)
        if task not in MYO_TASKS:
            raise Sb3ScaleError(
                f"there is no task {task!r} of MyoSuite{suggestion(task, MYO_TASKS)}"
            )
        super().__init__(EPISODE_STEPS, action_repeat, render_mode, width, height)
        if type(camera_id) is not int or not -1 <= camera_id < CAMERAS:
            raise Sb3ScaleError(
                f"camera_id is {camera_id!r}; allowed: a whole number from -1 to {CAMERAS - 1}"
            )

        self._official_id, control_timestep = MYO_TASKS[task]
        self._set_control_timestep(control_timestep)
        self._envpool = load_envpool(task, "myo")
        if task.endswith("-hard"):
            _check_version(
                Sb3ScaleError, self._envpool, task, "begins each episode in the same state"
            )
        if render_mode is not None:
            _check_version(
                CannotDrawError, self._envpool, f"render_mode {render_mode!r}", "cannot draw"
            )
            load_triton()
        # EnvPool's own limits differ per task, and one that fires could hide a termination.
        self._settings: dict[str, Any] = {"num_envs": 1, "max_episode_steps": EPISODE_STEPS + 1}
        spec = self._envpool.make_spec(self._official_id, **self._settings)
        if render_mode is not None:
            self._settings |= {
                "render_mode": render_mode,
                "render_width": width,
                "render_height": height,
                "render_camera_id": camera_id,
            }
        shape = spec.gymnasium_observation_space.shape
        self.observation_space = cast(
            "spaces.Space[FloatArray]", spaces.Box(-np.inf, np.inf, shape, np.float32)
        )
        self.action_space = spec.gymnasium_action_space
        # Its thread starts at the first reset, so that a fork before that is safe.
        self._pool: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[FloatArray, dict[str, Any]]:
        """
        Begin an episode.

        :param seed: of the episodes from here on; ``None`` goes on with the stream
        :param options: none are known, ignored
        :return: observation ``(n,)`` and ``solved`` and ``is_success``, both ``False``
        """
        super().reset(seed=seed)
        if seed is not None or self._pool is None:
            # EnvPool takes a seed of 31 bits, and only when it is made.
            if seed is None or seed >= 2**31:
                seed = int(self.np_random.integers(2**31))
            self._pool = self._envpool.make_gymnasium(
                self._official_id, seed=seed, **self._settings
            )
        observation, _ = self._pool.reset()
        self._observation = observation[0]
        self._solved = self._is_success = False
        self._begin_episode()
        return self._state()

    def step(self, action: FloatArray) -> tuple[FloatArray, float, bool, bool, dict[str, Any]]:
        """
        Apply an action for ``action_repeat`` control steps, fewer where the episode ends.

        :param action: ``(39,)`` within [-1, 1]
        :return: observation ``(n,)``, sum of rewards, terminated, truncated, information
        :raises gymnasium.error.ResetNeeded: if the episode is over
        """
        reward, terminated, truncated = self._repeat(action)
        observation, info = self._state()
        return observation, reward, terminated, truncated, info

    def _control_step(self, action: FloatArray) -> tuple[float, bool, bool]:
        batch = np.asarray(action, np.float32)[np.newaxis]
        observation, reward, terminated, _, info = self._pool.step(batch)
        self._observation = observation[0]
        self._solved = bool(info["solved"][0])
        self._is_success |= self._solved
        return float(reward[0]), bool(terminated[0]), False

    def _state(self) -> tuple[FloatArray, dict[str, Any]]:
        info = {"solved": self._solved, "is_success": self._is_success}
        return self._observation.astype(np.float32), info

    def render(self) -> NDArray[np.uint8] | None:
        """
        :return: ``(height, width, 3)`` with ``render_mode="rgb_array"``, otherwise ``None``
        :raises gymnasium.error.ResetNeeded: if there was no episode yet
        """
        if self.render_mode is None:
            return None
        if self._pool is None:
            raise gymnasium.error.ResetNeeded("nothing to draw: call reset() before render()")
        picture: NDArray[np.uint8] = self._pool.render()[0]
        return picture

    def close(self) -> None:
        """Free the simulation; a reset makes another one."""
        self._pool, self._steps_left = None, 0


def _check_version(error: type[Sb3ScaleError], envpool: ModuleType, what: str, fault: str) -> None:
    """EnvPool 1.2.5, the last for Python 3.11, has two faults (the first is its issue 432)."""
    from packaging.version import Version

    if Version(envpool.__version__) < Version("1.2.6"):
        raise error(
            f"{what} needs envpool 1.2.6 or newer, which needs Python 3.12 or newer: "
            f"envpool {envpool.__version__} {fault}"
        )
