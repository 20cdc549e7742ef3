"""The files of recipes."""

from collections.abc import Mapping
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.parts import settings_path
from sb3_scale.plugins import manager
from sb3_scale.specs import Recipe
from sb3_scale.structures import UniqueLoader, read_yaml

DEFAULT = "default"
"""Key of the settings for tasks that a recipe does not name."""


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


def settings_for(path: Path, env_id: str | None = None) -> dict[str, Any]:
    """
    :param path: of a recipe
    :param env_id: the task, nothing for an environment without a name
    :return: its settings of the task, else its ``default``
    :raises Sb3ScaleError: if the file cannot be read or has no ``default``
    """
    content = deepcopy(_content(path, path.stat().st_mtime_ns if path.exists() else 0))
    if not isinstance(content, Mapping) or not isinstance(content.get(DEFAULT), Mapping):
        raise Sb3ScaleError(
            f"{path} is {shown(content)}; allowed for a recipe: settings by task, with a "
            f"'{DEFAULT}'"
        )
    return dict(content[env_id if env_id in content else DEFAULT])
