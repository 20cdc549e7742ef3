"""What a recipe has for some tasks alone."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from gymnasium import spaces

from sb3_scale.parts import settings_path
from sb3_scale.recipes import files, resolve
from sb3_scale.specs import Recipe


def by_task(spec: Recipe, default: Mapping[str, Any]) -> dict[str, str]:
    """
    :param spec: of a recipe
    :param default: its settings of a task that it does not name
    :return: in YAML, what differs from them for its tasks, those with the same differences
        together, and for discrete actions
    :raises Sb3ScaleError: if its file cannot be read
    """
    found: dict[str, list[str]] = {}
    for task in files.tasks(settings_path(spec)):
        discrete = task == files.DISCRETE
        env_id, actions = (None, spaces.Discrete(2)) if discrete else (task, None)
        settings = resolve.plain({"recipe": spec.name}, spec.algo, env_id, actions=actions)
        other = dict(_changes(default, settings))
        text = yaml.dump(other, default_flow_style=True, sort_keys=False, width=math.inf)
        found.setdefault(text.strip()[1:-1], []).append("discrete actions" if discrete else task)
    return {", ".join(tasks): text for text, tasks in found.items() if text}


def _changes(
    default: Mapping[str, Any], settings: Mapping[str, Any], path: str = ""
) -> Iterator[tuple[str, Any]]:
    """As a file of settings would have them, with paths into parts."""
    for key in dict.fromkeys([*settings, *default]):
        ours, theirs = default.get(key), settings.get(key)
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            yield from _changes(ours, theirs, f"{path}{key}.")
        elif ours != theirs:
            yield f"{path}{key}", theirs
