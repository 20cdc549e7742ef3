"""The OpenGL context that all simulations of a process share."""

import os
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from sb3_scale.errors import Sb3ScaleError

GL_VARIABLE = "MUJOCO_GL"
GL_REMEDY = (
    f"install libegl1 and set {GL_VARIABLE}=egl, or install libosmesa6 and set {GL_VARIABLE}=osmesa"
)

_contexts: dict[int, Any] = {}
"""The context by the process that made it; a fork inherits its parent's, and cannot use it."""


@contextmanager
def told(wish: str) -> Iterator[None]:
    """
    Turn what OpenGL raises while it starts into one sentence.

    :param wish: what needs it
    :raises Sb3ScaleError: if OpenGL fails
    """
    import mujoco
    from OpenGL.error import Error as OpenGLError

    try:
        yield
    except (RuntimeError, mujoco.FatalError, OpenGLError) as error:
        raise Sb3ScaleError(
            f"{wish} needs OpenGL, which failed with "
            f"{GL_VARIABLE}={os.environ.get(GL_VARIABLE, '')} "
            f"({str(error).rstrip('.')}): {GL_REMEDY}"
        ) from error


def has_display() -> bool:
    """
    :return: whether a window can be opened, even one that nobody sees
    """
    import glfw

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bool(glfw.init())


def forbid_contexts(physics: Any) -> None:
    """
    Keep a simulation that nobody draws from opening an OpenGL context.

    ``quadruped-escape`` asks for one at each reset, and fails where there is no OpenGL.

    :param physics: the simulation, ``dm_control.mujoco.Physics``
    """
    physics._make_rendering_contexts = lambda: None


def share_context(physics: Any) -> None:
    """
    Let a simulation draw in the context of its process, which is made when the first one draws.

    :param physics: the simulation, ``dm_control.mujoco.Physics``
    """
    # The simulation would otherwise hold itself, and free its buffer late.
    physics._make_rendering_contexts = partial(_join_context, weakref.proxy(physics))


def open_context() -> Any:
    """
    :return: this process's context, of ``dm_control``
    :raises Sb3ScaleError: if the process that this one was forked from made one
    """
    from dm_control import _render

    process = os.getpid()
    if process not in _contexts:
        if _contexts:
            # Mesa's threads are not in the fork, and drawing would wait for them for ever.
            raise Sb3ScaleError(
                "OpenGL was in use before this process was forked, and a fork cannot draw; "
                "allowed: start_method 'forkserver' or 'spawn', or a fork before the first picture"
            )
        context = _render.Renderer(max_width=1, max_height=1)
        # The last simulation must not take the context along.
        context.increment_refcount()
        _contexts[process] = context
    return _contexts[process]


def _join_context(physics: Any) -> None:
    from dm_control.mujoco import engine, wrapper

    context = open_context()
    _take_back(context)
    physics._contexts = engine.Contexts(context, wrapper.MjrContext(physics.model, context))


def _take_back(shared: Any) -> None:
    # dm_control does not see that Gymnasium's renderer has put its own context in place.
    with shared.make_current() as context:
        context.call(shared._platform_make_current)


def choose_buffer(physics: Any) -> None:
    """
    Draw this simulation into its own buffer; MuJoCo would go on in that of the last one drawn.

    :param physics: the simulation, ``dm_control.mujoco.Physics``
    """
    import mujoco

    shared = physics.contexts.gl
    _take_back(shared)
    with shared.make_current() as context:
        context.call(
            mujoco.mjr_setBuffer, mujoco.mjtFramebuffer.mjFB_OFFSCREEN, physics.contexts.mujoco.ptr
        )


def renderer() -> tuple[str, str]:
    """
    :return: name and version of what draws, as OpenGL tells them
    """
    from OpenGL import GL

    with open_context().make_current() as context:
        words = [context.call(GL.glGetString, key) for key in (GL.GL_RENDERER, GL.GL_VERSION)]
    name, version = (word.decode() for word in words)
    return name, version
