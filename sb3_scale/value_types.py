"""Types of parameters: what annotations say, and whether a value of a YAML file is of that type."""

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

import numpy as np

from sb3_scale.errors import Sb3ScaleError, shortened, shown
from sb3_scale.type_guard import typeguard


def is_tuple(hint: Any) -> bool:
    """
    :param hint: a type annotation
    :return: whether it takes a tuple and no list
    """
    kinds = {typing.get_origin(each) or each for each in (hint, *typing.get_args(hint))}
    return tuple in kinds and list not in kinds and Any not in kinds


def as_hinted(value: Any, hint: Any) -> Any:
    """
    :param value: of a YAML file, which has neither tuples nor what is NumPy's
    :param hint: the type that it must have
    :return: the same in that type, where the file can only write it otherwise
    """
    kinds = {typing.get_origin(each) or each for each in (hint, *typing.get_args(hint))}
    if isinstance(value, list) and is_tuple(hint):
        return tuple(value)
    if isinstance(value, list) and np.ndarray in kinds:
        return np.array(value)
    if type(value) in (int, float) and not {int, float} & kinds:
        numbers = [each for each in kinds if isinstance(each, type) and issubclass(each, np.number)]
        made = np.array(value)[()]
        return made if any(isinstance(made, each) for each in numbers) else value
    return value


def annotations(target: Any) -> dict[str, Any]:
    """
    :param target: a class or a function
    :return: the types of its arguments, without those that cannot be resolved at run time
    """
    try:
        return typing.get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except (NameError, AttributeError, SyntaxError, TypeError):
        # Names that exist for the type checker alone; what is no string is resolved already.
        found = {name: par.annotation for name, par in inspect.signature(target).parameters.items()}
        known = {name: hint for name, hint in found.items() if not isinstance(hint, str)}
        return {name: hint for name, hint in known.items() if hint is not inspect.Parameter.empty}


def check_type(owner: str, key: str, value: Any, hint: Any) -> None:
    """
    :param owner: what the value belongs to, for the message
    :param key: name of the value
    :param value: what the user wrote
    :param hint: the type that it must have
    :raises Sb3ScaleError: if it has another type, or holds a number that is none
    """
    if "bool" not in str(hint) and "Any" not in str(hint) and _holds(value, _is_flag):
        _refuse_type(owner, key, value, hint)
    if _holds(value, _is_no_number) and "Any" not in str(hint):
        raise Sb3ScaleError(
            f"{owner}: {shortened(key)} is {shown(value)}; allowed: numbers of 64 bits, not nan"
        )
    try:
        typeguard.check_type(
            value, hint, collection_check_strategy=typeguard.CollectionCheckStrategy.ALL_ITEMS
        )
    except typeguard.TypeCheckError:
        _refuse_type(owner, key, value, hint)


def _refuse_type(owner: str, key: str, value: Any, hint: Any) -> NoReturn:
    raise Sb3ScaleError(
        f"{owner}: {shortened(key)} is {shown(value)} ({type(value).__name__}); "
        f"allowed: {type_name(hint)}{yaml_hint(value)}"
    )


def _holds(value: Any, wrong: Callable[[Any], bool]) -> bool:
    """Whether a value, or one inside it, is wrong; parts inside are checked when they are built."""
    if isinstance(value, Mapping):
        return any(_holds(inner, wrong) for inner in value.values())
    if isinstance(value, (list, tuple)):
        return any(_holds(inner, wrong) for inner in value)
    return wrong(value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_no_number(value: Any) -> bool:
    """Not a number, or a whole one that no tensor holds."""
    if isinstance(value, float):
        return value != value
    return isinstance(value, int) and value.bit_length() > 64


def type_name(hint: Any) -> str:
    """
    :param hint: a type annotation
    :return: the annotation as a reader would write it
    """
    if typing.get_origin(hint) is typing.Literal:
        return ", ".join(repr(value) for value in typing.get_args(hint))
    if any(typing.get_origin(each) is typing.Literal for each in typing.get_args(hint)):
        return " | ".join(map(type_name, typing.get_args(hint)))
    return getattr(hint, "__name__", "") if inspect.isclass(hint) else _plain(str(hint))


def _plain(text: str) -> str:
    return text.replace("typing.", "").replace("NoneType", "None")


def yaml_hint(value: Any) -> str:
    """
    :param value: what the user wrote where a number is wanted
    :return: how to write it where YAML reads a number as text, empty otherwise
    """
    if not isinstance(value, str):
        return ""
    try:
        number = float(value)
    except ValueError:
        return ""
    if "e" not in value.lower():
        return ""
    return f"; YAML reads {value} as text: write {int(number) if number.is_integer() else number}"
