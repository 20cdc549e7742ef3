"""Makes the plugins' environments, and those of other packages, known to Gymnasium."""

import warnings
from collections import Counter
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import gymnasium

from sb3_scale.errors import Sb3ScaleError, nearest, shown
from sb3_scale.guard import importing_module
from sb3_scale.guard import look_here as look_here
from sb3_scale.plugins import Plugin, is_of_this_project, manager
from sb3_scale.specs import Env


def register_envs() -> None:
    """
    Register each plugin's environments under their plain ids, when all plugins are loaded.

    A name that Gymnasium refuses, or that somebody else has registered, is left out with a warning.
    One that several distributions offer is registered, and says so when it is made.
    """
    manager().when_complete(_register)


def takes_known_id(plugin: Plugin, spec: Env) -> bool:
    """
    :param plugin: of anybody
    :param spec: of its environment
    :return: whether Gymnasium knows another one under its id; those of this project give way to
        those of the package that they are from
    """
    known = gymnasium.registry.get(spec.name)
    if known is None or isinstance(known.entry_point, _OfferedEnv):
        return False
    return known.entry_point != spec.target and not is_of_this_project(plugin, spec)


def _register() -> None:
    offers = list(manager().specs("env"))
    times = Counter(spec.name for _, spec in offers)
    for plugin, spec in offers:
        assert isinstance(spec, Env)
        if takes_known_id(plugin, spec):
            warnings.warn(
                f"plugin {plugin.label}: its environment '{spec.name}' is left out, because "
                "another package has registered that id first",
                stacklevel=2,
            )
        if spec.name in gymnasium.registry:
            continue
        try:
            if times[spec.name] > 1:
                gymnasium.register(spec.name, entry_point=_OfferedEnv(spec.name))
            else:
                gymnasium.register(
                    spec.name,
                    entry_point=spec.target,
                    vector_entry_point=spec.vector_target or None,
                    kwargs=dict(spec.kwargs),
                )
        except gymnasium.error.Error as error:
            warnings.warn(
                f"plugin {plugin.label}: there is no environment '{spec.name}': {error}",
                stacklevel=2,
            )


class _OfferedEnv:
    """
    Stands for an environment that several distributions offer.

    :param name: its id
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, **kwargs: Any) -> Any:
        manager().check_offered_once("env", self.name)


def check_env_id(env_id: str) -> None:
    """
    :param env_id: an environment
    :raises Sb3ScaleError: if Gymnasium does not know it
    """
    if env_id not in gymnasium.registry:
        raise Sb3ScaleError(f"there is no environment {shown(env_id)}{env_hint(env_id)}")


def env_hint(env_id: str) -> str:
    """
    :param env_id: an id that Gymnasium does not know
    :return: ``"; did you mean 'ID'?"``, or which package to install, empty if neither is known
    """
    if package := manager().missing_package("env", env_id):
        return f"; it comes with {package}: pip install {package}"
    return nearest(env_id, gymnasium.registry)


def import_packages(option: str, packages: Sequence[str]) -> None:
    """
    Import modules that register environments, those of the present folder too.

    :param option: that names them, for the message
    :param packages: names of modules
    :raises Sb3ScaleError: if one cannot be imported
    """
    if packages:
        look_here()
    for package in packages:
        try:
            with importing_module(package):
                import_module(package)
        except Sb3ScaleError as error:
            raise Sb3ScaleError(f"{option} names {shown(package)}: {error}") from error.__cause__
