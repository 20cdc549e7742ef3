"""A task of the DeepMind Control Suite as a Gymnasium environment."""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
from gymnasium import spaces
from gymnasium.utils import EzPickle
from numpy.typing import NDArray

from sb3_scale.errors import Sb3ScaleError, suggestion
from sb3_scale_envs.control_steps import ControlStepEnv, FloatArray
from sb3_scale_envs.opengl import forbid_contexts
from sb3_scale_envs.rendering import Picture, Window, load_suite, render_flags
from sb3_scale_envs.tasks import TASKS

EPISODE_STEPS = 1000
"""Control steps per episode: what each task of the suite has, but for ``lqr``, which has no end."""

UNLIMITED_ACTION = 10.0
"""Bound of an actuator that has none; dm_control's 1e10 lets random actions break ``lqr``."""


class DMControlEnv(ControlStepEnv, EzPickle):
    """
    A task of the DeepMind Control Suite (Tassa et al., 2018, arXiv:1801.00690).

    Observations are the task's arrays, flattened and joined in the order of its
    ``observation_spec``, as float32. An episode ends after 1000 control steps as *truncated*, or
    earlier as *terminated* if the task says so with a discount of 0. ``info["discount"]`` is
    dm_control's discount.

    A reset with a seed gives exactly the episode that ``suite.load`` gives with
    ``task_kwargs={"random": seed}``; a reset without one goes on with the random stream. ``lqr``
    is the exception: its spring constants are drawn once, with the seed 0, so that each
    environment of that name is the same task; its episodes are cut after 1000 control steps, and
    its unlimited forces at 10.

    A pickled or copied environment starts afresh: it must be reset first.

    :param domain: for instance ``"dog"``
    :param task: for instance ``"run"``
    :param action_repeat: control steps per action; the rewards are summed
    :param render_mode: ``None``, ``"rgb_array"`` or ``"human"``
    :param width: of the picture, in pixels
    :param height: of the picture, in pixels
    :param camera_id: number or name of a camera of the task, -1 for the free one
    :param render: what a picture leaves out, ``{"shadows": False}``; ``reflections``, ``skybox``,
        ``haze``, ``fog`` and ``antialiasing`` likewise
    :raises Sb3ScaleError: if an argument is out of range, or if this machine cannot render
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array", "human"]}  # noqa: RUF012

    observation_names: tuple[str, ...]
    """Names of the task's arrays in the order in which an observation joins them."""

    def __init__(
        self,
        domain: str,
        task: str,
        action_repeat: int = 1,
        render_mode: str | None = None,
        width: int = 480,
        height: int = 480,
        camera_id: int | str = 0,
        render: Mapping[str, bool] | None = None,
    ) -> None:
        EzPickle.__init__(
            self, domain, task, action_repeat, render_mode, width, height, camera_id, render
        )
        _check_name(domain, task)
        render_flags(render)
        super().__init__(EPISODE_STEPS, action_repeat, render_mode, width, height)

        suite = load_suite()
        # shimmy's import brings dm_control along, so it must wait for load_suite.
        from dm_control.rl.control import PhysicsError
        from shimmy.utils.dm_env import dm_spec2gym_space

        # lqr draws its springs while it loads, and they must be the same everywhere.
        self._random = np.random.RandomState(0)
        self._env = suite.load(domain, task, task_kwargs={"random": self._random})
        self._random.seed(int(self.np_random.integers(2**32)))
        self._task, self._diverged = f"{domain}-{task}", PhysicsError

        arrays = self._env.observation_spec()
        self.observation_names = tuple(arrays)
        self.observation_space = _join([dm_spec2gym_space(spec) for spec in arrays.values()])
        self.action_space = _join([dm_spec2gym_space(self._env.action_spec())], UNLIMITED_ACTION)
        self._set_control_timestep(self._env.control_timestep())

        self._picture: Picture | None = None
        self._window: Window | None = None
        if render_mode == "rgb_array":
            self._picture = Picture(self.physics, width, height, camera_id, render)
            self._picture.open()
        else:
            forbid_contexts(self.physics)
        if render_mode == "human":
            self._window = Window(self.physics, width, height, camera_id)

    @property
    def physics(self) -> Any:
        """The simulation, ``dm_control.mujoco.Physics``."""
        return self._env.physics

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[FloatArray, dict[str, Any]]:
        """
        Begin an episode.

        :param seed: of the episodes from here on; ``None`` goes on with the stream
        :param options: none are known, ignored
        :return: observation ``(n,)`` and an empty dictionary
        """
        super().reset(seed=seed)
        if seed is not None:
            # dm_control's generator takes seeds of 32 bits, Gymnasium's takes any.
            self._random.seed(seed if seed < 2**32 else int(self.np_random.integers(2**32)))
        self._timestep = self._env.reset()
        self._begin_episode()
        if self._window is not None:
            self._window.reset()
        return _flatten(self._timestep), {}

    def step(self, action: FloatArray) -> tuple[FloatArray, float, bool, bool, dict[str, Any]]:
        """
        Apply an action for ``action_repeat`` control steps, fewer where the episode ends.

        :param action: within :attr:`action_space`
        :return: observation ``(n,)``, sum of rewards, terminated, truncated, information
        :raises gymnasium.error.ResetNeeded: if the episode is over
        """
        reward, terminated, truncated = self._repeat(action)
        if self._window is not None:
            self._window.draw()
        info = {"discount": float(self._timestep.discount)}
        return _flatten(self._timestep), reward, terminated, truncated, info

    def _control_step(self, action: FloatArray) -> tuple[float, bool, bool]:
        try:
            self._timestep = self._env.step(action)
        except self._diverged as error:
            self._steps_left = 0
            raise Sb3ScaleError(
                f"the simulation of {self._task} diverged {self._env.physics.time():.2f} seconds "
                f"after the start of an episode: {' '.join(str(error).split())}"
            ) from error
        over = self._timestep.last()
        terminated = bool(over and self._timestep.discount == 0.0)
        return float(self._timestep.reward), terminated, over and not terminated

    def render(self) -> NDArray[np.uint8] | None:
        """
        :return: ``(height, width, 3)`` with ``render_mode="rgb_array"``, otherwise ``None``
        """
        if self._window is not None:
            self._window.draw()
        return None if self._picture is None else self._picture.draw()

    def close(self) -> None:
        """Free the simulation; the environment cannot be used afterwards."""
        if self._window is not None:
            self._window.close()
            self._window = None
        self.physics.free()


def _check_name(domain: str, task: str) -> None:
    if domain not in TASKS:
        raise Sb3ScaleError(f"dm_control has no domain {domain!r}{suggestion(str(domain), TASKS)}")
    tasks = TASKS[domain]
    if task not in tasks:
        raise Sb3ScaleError(
            f"dm_control's domain {domain!r} has no task {task!r}{suggestion(str(task), tasks)}"
        )


def _join(boxes: list[Any], unlimited: float = np.inf) -> spaces.Space[FloatArray]:
    low, high = (
        np.concatenate([np.ravel(getattr(box, side)) for box in boxes]) for side in ("low", "high")
    )
    # MuJoCo's largest number stands for "no limit".
    endless = high >= 1e10
    low[endless], high[endless] = -unlimited, unlimited
    box = spaces.Box(low.astype(np.float32), high.astype(np.float32), dtype=np.float32)
    return cast("spaces.Space[FloatArray]", box)


def _flatten(timestep: Any) -> FloatArray:
    parts = [part.ravel() for part in timestep.observation.values()]
    return np.concatenate(parts, dtype=np.float32)
