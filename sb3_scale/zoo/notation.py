"""RL-Zoo's notation for what it imports: ``module.Class``, alone or over its arguments."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

from sb3_scale.errors import Sb3ScaleError, nearest, shown
from sb3_scale.guard import importing_module
from sb3_scale.recipes.wrappers import with_tuples


def entries(value: Any) -> list[Any]:
    """
    :param value: of a key that has one entry, a list of them or nothing
    :return: the entries
    """
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def split(key: str, entry: Any) -> tuple[Any, dict[Any, Any]]:
    """
    :param key: of the settings that has the entry, for the message
    :param entry: a name, or a mapping of one name to arguments, or to nothing
    :return: what names the class, and the arguments
    :raises Sb3ScaleError: if a mapping has not one entry, or no arguments by name in it
    """
    if not isinstance(entry, Mapping):
        return entry, {}
    if len(entry) != 1:
        raise Sb3ScaleError(
            f"{key} has {shown(dict(entry))}; allowed: a name, or one name in a mapping with its "
            "arguments below; check the indentation"
        )
    ((name, arguments),) = entry.items()
    if not isinstance(arguments, Mapping | None):
        raise Sb3ScaleError(
            f"{key} has {shown(arguments)} for {shown(name)}; allowed: arguments by name"
        )
    return name, dict(arguments or {})


def load(key: str, name: Any) -> Any:
    """
    :param key: of the settings that has the name, for the message
    :param name: ``module.Class``
    :return: the class, or a function in its place
    :raises Sb3ScaleError: if it is no such name, cannot be imported, or is neither
    """
    if not isinstance(name, str) or "." not in name.strip("."):
        raise Sb3ScaleError(f"{key} has {shown(name)}; allowed: MODULE.CLASS")
    module_name, _, attribute = name.rpartition(".")
    try:
        with importing_module(module_name):
            module = import_module(module_name)
            found = getattr(module, attribute, None)
    except Sb3ScaleError as error:
        raise Sb3ScaleError(
            f"{key} has '{name:.100}', which cannot be imported: {error}"
        ) from error.__cause__
    if found is None:
        raise Sb3ScaleError(
            f"{key} has '{name:.100}', and there is no '{attribute:.100}' in {module_name}"
            f"{nearest(attribute, dir(module))}"
        )
    if not callable(found):
        raise Sb3ScaleError(f"{key} has '{name:.100}', which is no class or function")
    return found


def classes(key: str, value: Any) -> Iterator[tuple[Any, dict[Any, Any]]]:
    """
    :param key: of the settings, for the message
    :param value: that it has: one entry, a list of them or nothing; a class may stand for its name
    :return: of each entry the class, or a function in its place, and its arguments
    :raises Sb3ScaleError: as :func:`split` and :func:`load`
    """
    for entry in entries(value):
        name, arguments = split(key, entry)
        found = name if isinstance(name, type) else load(key, name)
        yield found, with_tuples(found, arguments)


def in_tuples(key: str, value: Any) -> list[Any]:
    """
    :param key: of the settings, for the message
    :param value: that it has, in RL-Zoo's notation
    :return: the same as a list, with tuples where a class wants them and YAML has lists
    :raises Sb3ScaleError: as :func:`split` and :func:`load`
    """
    found = zip(entries(value), classes(key, value), strict=True)
    return [{split(key, entry)[0]: arguments} for entry, (_, arguments) in found]
