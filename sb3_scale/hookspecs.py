"""
The contract between sb3_scale and a plugin: one hook.

A plugin is a module with this function, and an entry point that names the module:

.. code-block:: toml

    [project.entry-points.sb3_scale]
    my = "my_package"
"""

from collections.abc import Iterable

import pluggy

from sb3_scale.specs import Spec

PROJECT = "sb3_scale"
"""Name of the pluggy project and of the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def sb3_scale_components() -> Iterable[Spec]:  # type: ignore[empty-body]
    """
    Name the parts of a plugin.

    .. code-block:: python

        from sb3_scale import Critic, hookimpl


        @hookimpl
        def sb3_scale_components():
            yield Critic("my-critic", "my_package.critics:MyCritic", summary="Mine.")

    Keep the module light: the strings are imported when somebody asks for the part by name.

    :return: specs, see :mod:`sb3_scale.specs`
    """
