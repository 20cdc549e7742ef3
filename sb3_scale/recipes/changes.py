"""Changes of settings: what several together ask for, and how one is made."""

from collections.abc import Mapping, Sequence
from typing import Any

from sb3_scale.errors import Sb3ScaleError, shortened, shown

Settings = dict[str, Any]

EVALUATED = ("policy_kwargs", "replay_buffer_class", "replay_buffer_kwargs")
"""Arguments of an algorithm that RL-Zoo evaluates as Python when they are strings."""

REPEAT = "action_repeat"
"""Argument of an environment: how often it takes an action."""

PYTHON = (*EVALUATED, "normalize", "monitor_kwargs")
"""Settings that RL-Zoo evaluates as Python when they are strings; no such string names a part."""


def together(layers: Sequence[Settings]) -> Settings:
    """
    Merge changes, a key of which is a setting or a path into one with dots.

    Of two with the same path the later counts. Longer paths come last, so that what replaces a
    setting whole keeps a change inside it, in whatever order they were written.

    :param layers: changes for all trainings, then those of each axis of a grid
    :return: the changes in the order in which to make them
    :raises Sb3ScaleError: if a longer path would undo part of a change that is no earlier
    """
    changes: Settings = {}
    for layer in layers:
        changes |= layer
        for short, value in layer.items():
            for long in changes:
                inside = long.removeprefix(f"{short}.")
                if inside != long and _gives(_as_part(short, value), inside.split(".")):
                    raise Sb3ScaleError(
                        f"{shown(short)} and {shown(long)} both give {shown(inside)}; allowed: one "
                        "of them"
                    )
    return {key: changes[key] for key in sorted(changes, key=lambda path: path.count("."))}


def _gives(value: Any, names: Sequence[str]) -> bool:
    for name in names:
        if not isinstance(value, Mapping) or name not in value:
            return False
        value = _as_part(name, value[name])
    return True


def _as_part(path: str, value: Any) -> Any:
    """A part given by its name alone, as the mapping that it stands for."""
    python = path.rpartition(".")[2] in PYTHON
    return {"name": value} if isinstance(value, str) and not python else value


def change(settings: Settings, key: str, value: Any) -> None:
    """
    Set what a path leads to; a part given by its name alone becomes a mapping.

    :param settings: of a task, which are changed
    :param key: a setting, or a path into one with dots
    :param value: what it shall be
    :raises Sb3ScaleError: if the path leads into what is no mapping
    """
    *parents, last = key.split(".")
    place = settings
    for parent in parents:
        inner = _as_part(parent, place.get(parent) or {})
        if not isinstance(inner, Mapping):
            raise Sb3ScaleError(
                f"{shown(key)} leads into {shortened(parent)}, which is {shown(inner)}; allowed: "
                "to replace it whole"
            )
        place[parent] = dict(inner)
        place = place[parent]
    place[last] = value
