"""A task of the DeepMind Control Suite that is observed through a camera."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import EzPickle
from numpy.typing import NDArray

from sb3_scale_envs.control_steps import FloatArray, check_counts, check_render_mode
from sb3_scale_envs.dm_control import DMControlEnv
from sb3_scale_envs.frames import Frames, first_stack, frame_space, next_stack
from sb3_scale_envs.rendering import Picture

CAMERAS = {"quadruped": 2}
"""Cameras of domains whose camera 0 is not the one that DrQ and DrQ-v2 look through."""


class DMControlPixelsEnv(gymnasium.Env[Frames, FloatArray], EzPickle):
    """
    A task of the DeepMind Control Suite from pixels, as DrQ has it (Kostrikov et al., 2020,
    arXiv:2004.13649).

    An observation is the last ``frame_stack`` frames, uint8, channels first, the newest last; at an
    episode's start all are the first one. A frame is drawn after the last control step of an action
    and at no other. Everything else is as in
    :class:`~sb3_scale_envs.dm_control.DMControlEnv`.

    OpenGL starts with the first frame, once for all environments of a process, so that
    environments can be made before a fork.

    :param domain: for instance ``"cartpole"``
    :param task: for instance ``"swingup"``
    :param action_repeat: control steps per action; the rewards are summed
    :param frame_stack: frames in an observation
    :param size: of a frame, in pixels
    :param camera_id: number or name of a camera of the task, -1 for the free one; ``None`` is 2 for
        the quadruped and 0 for all others
    :param render: what frames and pictures leave out, ``{"shadows": False}``; ``reflections``,
        ``skybox``, ``haze``, ``fog`` and ``antialiasing`` likewise
    :param render_mode: ``None`` or ``"rgb_array"``, for pictures beside the frames
    :param width: of such a picture, in pixels
    :param height: of such a picture, in pixels
    :raises Sb3ScaleError: if an argument is out of range; at the first reset if this machine cannot
        render
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(
        self,
        domain: str,
        task: str,
        action_repeat: int = 2,
        frame_stack: int = 3,
        size: int = 84,
        camera_id: int | str | None = None,
        render: Mapping[str, bool] | None = None,
        render_mode: str | None = None,
        width: int = 480,
        height: int = 480,
    ) -> None:
        EzPickle.__init__(
            self,
            domain,
            task,
            action_repeat,
            frame_stack,
            size,
            camera_id,
            render,
            render_mode,
            width,
            height,
        )
        check_counts(frame_stack=frame_stack, size=size, width=width, height=height)
        check_render_mode(render_mode, self.metadata["render_modes"])
        camera = CAMERAS.get(domain, 0) if camera_id is None else camera_id
        self._task = DMControlEnv(domain, task, action_repeat)
        physics = self._task.physics
        # Clearing MuJoCo's own buffer of 640x480 would take longer.
        buffer = physics.model.vis.global_
        buffer.offwidth = buffer.offheight = size
        wish = "an observation of pixels"
        self._frame = Picture(physics, size, size, camera, render, wish)
        self._picture = (
            Picture(physics, width, height, camera, render) if render_mode == "rgb_array" else None
        )
        self.frame_stack = frame_stack
        self.render_mode = render_mode
        self.action_space = self._task.action_space
        self.observation_space = frame_space(frame_stack, size)
        self.metadata = {**self.metadata, "render_fps": self._task.metadata["render_fps"]}

    @property
    def max_episode_steps(self) -> int:
        """Actions in the longest episode."""
        return self._task.max_episode_steps

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Frames, dict[str, Any]]:
        """
        Begin an episode.

        :param seed: of the episodes from here on; ``None`` goes on with the stream
        :param options: none are known, ignored
        :return: observation ``(3 * frame_stack, size, size)`` and an empty dictionary
        :raises Sb3ScaleError: if this machine cannot render, or is a fork of a process that has
        """
        self._frame.open()
        super().reset(seed=seed)
        _, info = self._task.reset(seed=seed)
        self._stack = first_stack(self._frame.draw(), self.frame_stack)
        return self._stack, info

    def step(self, action: FloatArray) -> tuple[Frames, float, bool, bool, dict[str, Any]]:
        """
        Apply an action for ``action_repeat`` control steps, fewer where the episode ends.

        :param action: within :attr:`action_space`
        :return: observation, sum of rewards, terminated, truncated, information
        :raises gymnasium.error.ResetNeeded: if the episode is over
        """
        _, reward, terminated, truncated, info = self._task.step(action)
        self._stack = next_stack(self._stack, self._frame.draw())
        return self._stack, reward, terminated, truncated, info

    def render(self) -> NDArray[np.uint8] | None:
        """
        :return: ``(height, width, 3)`` with ``render_mode="rgb_array"``, otherwise ``None``
        """
        return None if self._picture is None else self._picture.draw()

    def close(self) -> None:
        """Free the simulation; the environment cannot be used afterwards."""
        self._task.close()
