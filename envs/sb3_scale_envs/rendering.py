"""Pictures of a dm_control simulation, with OpenGL's failures told in one sentence."""

import ctypes.util
import os
import sys
import warnings
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sb3_scale.errors import Sb3ScaleError, check_key, shown
from sb3_scale_envs.cameras import check_camera
from sb3_scale_envs.opengl import (
    GL_REMEDY,
    GL_VARIABLE,
    choose_buffer,
    has_display,
    share_context,
    told,
)

NO_GL = "disabled"

FLAGS = {
    "shadows": "shadow",
    "reflections": "reflection",
    "skybox": "skybox",
    "haze": "haze",
    "fog": "fog",
}
"""MuJoCo's name of each thing that a picture can do without."""

ANTIALIASING = "antialiasing"
"""The one of them that belongs to a simulation's buffer, and not to a picture."""


def load_triton() -> None:
    """Import triton, if it is installed; call this before a library of OpenGL is loaded."""
    # After Mesa's LLVM its import is a segmentation fault, and torch's first optimiser imports it.
    with suppress(ImportError):
        import_module("triton")


@cache
def load_suite() -> Any:
    """
    Import ``dm_control.suite`` such that it can draw if this machine can.

    dm_control picks its OpenGL backend at import: without a display it picks one that cannot draw,
    and a backend that cannot be loaded makes the import fail. So without a display and without
    ``MUJOCO_GL`` this function sets the variable, and where the backend cannot be loaded it warns
    and imports dm_control without one.

    :return: the module
    :raises Sb3ScaleError: if dm_control is not installed
    """
    if find_spec("dm_control") is None:
        raise Sb3ScaleError(
            "the DeepMind Control Suite needs dm_control, which is not installed: it asks for "
            "labmaze, which has no wheel for Python 3.13; allowed after: python -m pip install "
            "--no-deps 'dm_control>=1.0.50', which suffices for its suite"
        )
    headless = not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    if sys.platform.startswith("linux") and headless and not os.environ.get(GL_VARIABLE):
        os.environ[GL_VARIABLE] = _headless_backend()
    load_triton()
    try:
        from dm_control import suite
    # PyOpenGL raises an AttributeError for a library that is absent.
    except (AttributeError, ImportError, RuntimeError) as error:
        wanted = os.environ.get(GL_VARIABLE, "")
        os.environ[GL_VARIABLE] = NO_GL
        from dm_control import suite

        warnings.warn(
            f"{GL_VARIABLE}={wanted} cannot be loaded ({error}), so nothing can be rendered; "
            f"to render, {GL_REMEDY}",
            RuntimeWarning,
            stacklevel=2,
        )
    return suite


def _headless_backend() -> str:
    for backend, library in (("egl", "EGL"), ("osmesa", "OSMesa")):
        if ctypes.util.find_library(library):
            return backend
    return NO_GL


def _camera_index(physics: Any, camera_id: int | str) -> int:
    names = [physics.model.id2name(i, "camera") for i in range(physics.model.ncam)]
    check_camera("camera_id", camera_id, names, range(-1, len(names)))
    return names.index(camera_id) if isinstance(camera_id, str) else camera_id


def render_flags(render: Mapping[str, bool] | None) -> dict[str, bool]:
    """
    :param render: what to draw or leave out
    :return: the same
    :raises Sb3ScaleError: if there is no such thing, or its value is no bool
    """
    if render is None:
        return {}
    if not isinstance(render, Mapping):
        raise Sb3ScaleError(f"render is {shown(render)}; allowed: true or false by name")
    for key, value in render.items():
        check_key("render has no", key, value, (*FLAGS, ANTIALIASING))
        if type(value) is not bool:
            raise Sb3ScaleError(f"render: {key} is {shown(value)}; allowed: true, false")
    return dict(render)


class Picture:
    """
    Draws into memory, bit for bit what ``physics.render`` draws.

    :param physics: the simulation, ``dm_control.mujoco.Physics``
    :param width: of the picture, in pixels
    :param height: of the picture, in pixels
    :param camera_id: number or name of a camera, -1 for the free one
    :param render: what to leave out, see :data:`FLAGS`; ``{"antialiasing": False}`` holds for all
        pictures of the simulation
    :param wish: what the picture is for, to be named if there is no OpenGL
    :raises Sb3ScaleError: if there is no such camera
    """

    def __init__(
        self,
        physics: Any,
        width: int,
        height: int,
        camera_id: int | str,
        render: Mapping[str, bool] | None = None,
        wish: str = "render_mode 'rgb_array'",
    ) -> None:
        flags = render_flags(render)
        if not flags.pop(ANTIALIASING, True):
            physics.model.vis.quality.offsamples = 0
        self._flags = {FLAGS[name]: value for name, value in flags.items()}
        self._physics = physics
        self._size = {"height": height, "width": width}
        self._camera_id = _camera_index(physics, camera_id)
        self._wish = wish
        self._camera: Any = None
        buffer = physics.model.vis.global_
        buffer.offwidth = max(buffer.offwidth, width)
        buffer.offheight = max(buffer.offheight, height)
        share_context(physics)

    def open(self) -> None:
        """
        Get ready to draw, which is not done before it is needed, as a fork ends it.

        :raises Sb3ScaleError: if there is no OpenGL
        """
        if self._camera is None:
            from dm_control.mujoco.engine import Camera

            with told(self._wish):
                self._camera = Camera(self._physics, **self._size, camera_id=self._camera_id)

    def draw(self) -> NDArray[np.uint8]:
        """
        :return: ``(height, width, 3)``
        :raises Sb3ScaleError: if there is no OpenGL
        """
        self.open()
        choose_buffer(self._physics)
        image: NDArray[np.uint8] = self._camera.render(render_flag_overrides=self._flags)
        # It is a view of the buffer that the next picture goes to.
        return image.copy()


class Window:
    """
    Draws into a window of Gymnasium's MuJoCo viewer.

    :param physics: the simulation, ``dm_control.mujoco.Physics``
    :param width: of the window, in pixels
    :param height: of the window, in pixels
    :param camera_id: number or name of a camera, -1 for the free one
    :raises Sb3ScaleError: if there is no such camera, or no display
    """

    def __init__(self, physics: Any, width: int, height: int, camera_id: int | str) -> None:
        import mujoco
        from gymnasium.envs.mujoco.mujoco_rendering import WindowViewer

        camera = _camera_index(physics, camera_id)
        if not has_display():
            raise Sb3ScaleError(
                "render_mode 'human' needs a display, and none can be opened with "
                f"DISPLAY={os.environ.get('DISPLAY', '')}: set DISPLAY to an X server, or use "
                f"render_mode 'rgb_array', which needs none but OpenGL: {GL_REMEDY}"
            )
        self._model = physics.model.ptr
        self._viewer: Any = WindowViewer(self._model, physics.data.ptr, width, height)
        if camera == -1:
            mujoco.mjv_defaultFreeCamera(self._model, self._viewer.cam)
        else:
            self._viewer.cam.type = mujoco.mjtCamera.mjCAMERA_FIXED
            self._viewer.cam.fixedcamid = camera

    def draw(self) -> None:
        """Show the present state."""
        self._viewer.render()

    def reset(self) -> None:
        """Show the first state of an episode, with its terrain, which the window has a copy of."""
        import mujoco

        for index in range(self._model.nhfield):
            mujoco.mjr_uploadHField(self._model, self._viewer.con, index)
        self.draw()

    def close(self) -> None:
        """Close the window."""
        self._viewer.close()
