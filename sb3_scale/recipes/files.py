"""The files of recipes."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

from gymnasium import spaces

from sb3_scale.actions import is_discrete
from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.parts import settings_path
from sb3_scale.plugins import manager
from sb3_scale.recipes.changes import change, together
from sb3_scale.specs import Recipe
from sb3_scale.structures import UniqueLoader, read_yaml

DEFAULT = "default"
"""Key of the settings for tasks that a recipe does not name."""

DISCRETE = "discrete"
"""Key of what differs where actions are discrete."""


def find(name: str) -> Recipe:
    """
    :param name: of a recipe
    :return: what its plugin says of it
    :raises Sb3ScaleError: if there is none, with the nearest name, or the package that brings it
    """
    _, spec = manager().find("recipe", name)
    assert isinstance(spec, Recipe)
    return spec


def path_of(name: str, algo: str) -> Path:
    """
    :param name: of a recipe
    :param algo: the algorithm that is to train it
    :return: its file
    :raises Sb3ScaleError: if there is none, or it is for another algorithm
    """
    spec = find(name)
    if spec.algo != algo:
        raise Sb3ScaleError(
            f"the recipe '{name}' is for --algo {spec.algo}, and --algo is '{algo}'"
        )
    return settings_path(spec)


@lru_cache(maxsize=64)
def _content(path: Path, changed: int) -> Any:
    """A recipe that begins with another, and a sweep, read the same files again and again."""
    return read_yaml(path, UniqueLoader)


def settings_for(
    path: Path, env_id: str | None = None, actions: spaces.Space[Any] | None = None
) -> dict[str, Any]:
    """
    :param path: of a recipe
    :param env_id: the task, nothing for an environment without a name
    :param actions: of the task, nothing for continuous ones
    :return: its settings of the task, else its ``default``, of discrete actions with the changes
        for them
    :raises Sb3ScaleError: if the file cannot be read or has no ``default``, or actions are discrete
        and it is for continuous ones
    """
    content = _of(path)
    settings = dict(content[env_id if env_id in content else DEFAULT])
    if not is_discrete(actions):
        return settings
    changes = content.get(DISCRETE, {})
    if "recipe" in settings:
        # Paths lead into what it begins with.
        return {**settings, **changes}
    if DISCRETE in content:
        for key, value in together([changes]).items():
            change(settings, key, value)
        return settings
    raise Sb3ScaleError(
        f"the action space is {actions}, and the recipe {path.stem} is for continuous actions; "
        f"allowed: Box, or a recipe with '{DISCRETE}': {', '.join(_for_discrete())}"
    )


def tasks(path: Path) -> list[str]:
    """
    :param path: of a recipe
    :return: the tasks that have settings of their own in it, and ``discrete``, if it has that
    """
    return [name for name in _of(path) if name != DEFAULT and not name.startswith(".")]


def _of(path: Path) -> dict[str, Any]:
    content = deepcopy(_content(path, path.stat().st_mtime_ns if path.exists() else 0))
    if not isinstance(content, Mapping) or not isinstance(content.get(DEFAULT), Mapping):
        raise Sb3ScaleError(
            f"{path} is {shown(content)}; allowed for a recipe: settings by task, with a "
            f"'{DEFAULT}'"
        )
    for task, settings in content.items():
        if not isinstance(settings, Mapping) or not all(isinstance(key, str) for key in settings):
            raise Sb3ScaleError(
                f"{path} has {shown(settings)} for {shown(task)}; allowed: settings by name"
            )
        kwargs = settings.get("policy_kwargs") or {}
        if not isinstance(kwargs, Mapping):
            raise Sb3ScaleError(
                f"{path} has {shown(kwargs)} as policy_kwargs of {shown(task)}; allowed in a "
                "recipe: a mapping"
            )
    return dict(content)


def _for_discrete() -> Iterator[str]:
    for name, path in _paths():
        # Another plugin's file may be wrong.
        with suppress(Sb3ScaleError):
            if _takes_discrete(path, seen=()):
                yield name


def _takes_discrete(path: Path, seen: tuple[Path, ...]) -> bool:
    """As one that begins with another does, which does; those of a circle do not."""
    content = _of(path)
    begins_with = content[DEFAULT].get("recipe")
    if DISCRETE in content or begins_with is None or path in seen:
        return DISCRETE in content
    return _takes_discrete(settings_path(find(begins_with)), (*seen, path))


def _paths() -> Iterator[tuple[str, Path]]:
    for _, spec in sorted(manager().specs("recipe"), key=lambda item: item[1].name):
        # Another plugin's file may be missing.
        with suppress(Sb3ScaleError):
            assert isinstance(spec, Recipe)
            yield spec.name, settings_path(spec)


def name_of(path: Path) -> str | None:
    """
    :param path: of a file of settings
    :return: the recipe that it is, if it is one
    """
    return next((name for name, each in _paths() if each == path), None)
