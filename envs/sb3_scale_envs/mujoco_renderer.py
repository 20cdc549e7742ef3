"""Gymnasium's renderer of MuJoCo: what it draws wrongly, or ends the process by."""

import os
import sys
from typing import Any

import gymnasium

from sb3_scale_envs.cameras import check_camera
from sb3_scale_envs.opengl import GL_VARIABLE, has_display, told

BACKENDS = ("egl", "glfw", "osmesa")


def renderer_of(env: "gymnasium.Env[Any, Any]") -> Any:
    """
    :param env: any environment
    :return: its renderer if that is Gymnasium's of MuJoCo, else nothing
    """
    # Whoever has one has imported it.
    drawing = sys.modules.get("gymnasium.envs.mujoco.mujoco_rendering")
    renderer = getattr(env.unwrapped, "mujoco_renderer", None)
    known = drawing is not None and isinstance(renderer, drawing.MujocoRenderer)
    return renderer if known else None


def check_cameras(env: "gymnasium.Env[Any, Any]") -> None:
    """
    :param env: any environment
    :raises Sb3ScaleError: if its renderer is asked for a camera that there is not: one of another
        name it would replace by the free one
    """
    renderer = renderer_of(env)
    if renderer is None:
        return
    names = [renderer.model.camera(each).name for each in range(renderer.model.ncam)]
    name = getattr(env.unwrapped, "camera_name", None)
    if name is not None:
        check_camera("camera_name", name, names, range(0))
    check_camera("camera_id", renderer.camera_id, (), range(-1, len(names)))


def check_opengl(env: "gymnasium.Env[Any, Any]", wish: str) -> None:
    """
    Called before the first picture: without OpenGL a second one ends the process.

    :param env: any environment
    :param wish: what needs it
    :raises Sb3ScaleError: if its renderer is Gymnasium's, and has no OpenGL
    """
    if renderer_of(env) is None:
        return
    backend = os.environ.get(GL_VARIABLE, "glfw")
    with told(wish):
        if backend not in BACKENDS:
            raise RuntimeError(f"Gymnasium knows {', '.join(BACKENDS)}")
        if backend == "glfw" and not has_display():
            raise RuntimeError(f"no display can be opened, DISPLAY={os.environ.get('DISPLAY', '')}")
