"""Makes the plugins' environments, and those of other packages, known to Gymnasium."""

from collections.abc import Iterable
from importlib import import_module

import gymnasium

from sb3_scale.errors import Sb3ScaleError, nearest, shown
from sb3_scale.plugins import manager
from sb3_scale.specs import Env


def register_envs() -> None:
    """Register each plugin's environments under their plain ids; ids that exist are left alone."""
    for _, spec in manager().specs("env"):
        if isinstance(spec, Env) and spec.name not in gymnasium.registry:
            gymnasium.register(
                spec.name,
                entry_point=spec.target,
                vector_entry_point=spec.vector_target or None,
                kwargs=dict(spec.kwargs),
            )


def env_hint(env_id: str) -> str:
    """
    :param env_id: an id that Gymnasium does not know
    :return: ``"; did you mean 'ID'?"``, or which package to install, empty if neither is known
    """
    if package := manager().missing_package("env", env_id):
        return f"; it comes with {package}: pip install {package}"
    return nearest(env_id, gymnasium.registry)


def import_packages(option: str, packages: Iterable[str]) -> None:
    """
    Import modules that register environments.

    :param option: that names them, for the message
    :param packages: names of modules
    :raises Sb3ScaleError: if one cannot be imported
    """
    for package in packages:
        try:
            import_module(package)
        except (ImportError, ValueError) as error:
            raise Sb3ScaleError(f"{option} names {shown(package)}: {error}") from None
