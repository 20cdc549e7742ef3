"""
From a part in a YAML file to an object: find the spec, check the parameters, call the code.
"""

import importlib
import inspect
import sys
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn

from sb3_scale.built import Built, completed, record
from sb3_scale.errors import Sb3ScaleError, check_key, shortened, shown
from sb3_scale.extractor_classes import class_spec, is_path
from sb3_scale.guard import importing, telling, told
from sb3_scale.plugins import manager
from sb3_scale.specs import KINDS, ExtractorClass, Recipe, Spec, ZooConfig
from sb3_scale.type_guard import typeguard

_providers: ContextVar[Mapping[str, str] | None] = ContextVar("providers", default=None)
_used: ContextVar[dict[str, str] | None] = ContextVar("used", default=None)

_UNNAMED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


@contextmanager
def track_providers(known: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """
    Remember which distribution each part comes from, so that a checkpoint can name it later.

    :param known: providers that a checkpoint recorded, ``{"critic:my-critic": "my-package"}``
    :return: the providers of the parts that are built inside the ``with`` block
    """
    used: dict[str, str] = {}
    tokens = _providers.set(known), _used.set(used)
    try:
        yield used
    finally:
        _providers.reset(tokens[0])
        _used.reset(tokens[1])


def load_target(spec: Spec) -> Any:
    """
    Import the code of a part.

    :param spec: the part
    :return: its class or function
    :raises Sb3ScaleError: if the import fails
    """
    if isinstance(spec, ExtractorClass) and spec.code is not None:
        return spec.code
    module, _, attribute = spec.target.partition(":")
    try:
        with telling() if module in sys.modules else importing():
            found = getattr(importlib.import_module(module), attribute)
    except Sb3ScaleError as error:
        plugin, _ = manager().find(spec.kind, spec.name)
        raise Sb3ScaleError(
            f"{spec.kind} '{spec.name}' of plugin {plugin.label} cannot be imported from "
            f"'{spec.target}': {error}"
        ) from error.__cause__
    if not callable(found):
        raise Sb3ScaleError(
            f"{spec.kind} '{spec.name}' is {found!r:.80} ({type(found).__name__}) in "
            f"'{spec.target}'; allowed: a class or a function"
        )
    return found


def settings_path(spec: ZooConfig | Recipe) -> Path:
    """
    :param spec: a file of settings
    :return: where it is
    :raises Sb3ScaleError: if there is no such package, or no such file in it
    """
    package, _, name = spec.target.partition(":")
    try:
        with telling() if package in sys.modules else importing():
            folder = Path(str(files(package)))
    except Sb3ScaleError as error:
        raise Sb3ScaleError(f"the settings '{spec.name}' are in '{spec.target}': {error}") from None
    # In a checkout the core's files lie next to the package, in a wheel inside.
    for path in (folder / name, folder.parent / name):
        if path.is_file():
            return path
    raise Sb3ScaleError(f"the settings '{spec.name}' are missing: there is no {folder / name}")


def parameters(spec: Spec) -> dict[str, inspect.Parameter]:
    """
    :param spec: a part
    :return: its parameters by name: all arguments but those that the core passes
    """
    try:
        signature = inspect.signature(load_target(spec))
    except (TypeError, ValueError) as error:
        if isinstance(error, Sb3ScaleError):
            raise
        raise Sb3ScaleError(
            f"{spec.kind} '{spec.name}' has no signature that can be read: {error}; allowed: a "
            "class or a function that is written in Python"
        ) from None
    return {
        name: parameter
        for name, parameter in signature.parameters.items()
        if name not in spec.context and parameter.kind not in _UNNAMED
    }


def build(kind: str, config: str | type | Mapping[str, Any], *context: Any) -> Any:
    """
    Make a part.

    :param kind: what the part must be, for instance ``"network"``
    :param config: its name, or a mapping with ``name`` and parameters
    :param context: the arguments that the core passes, see :attr:`sb3_scale.specs.Spec.context`
    :return: what the part's class or function returns
    :raises Sb3ScaleError: if the name, a parameter or a value is wrong, or the part lacks what its
        kind must have
    """
    target, name, params = resolve(kind, config)
    try:
        part = completed(KINDS[kind], target(*context, **params))
    except (Sb3ScaleError, KeyboardInterrupt):
        raise
    except (
        ArithmeticError,
        AssertionError,
        MemoryError,
        RuntimeError,
        TypeError,
        ValueError,
    ) as error:
        reason = str(error).strip().partition("\n")[0] or type(error).__name__
        raise Sb3ScaleError(f"{kind} '{name}' with {shown(params)}: {reason}") from error
    # The constructor is a stranger's; whatever it raises becomes one sentence that names the part.
    except BaseException as error:
        raise Sb3ScaleError(
            f"{kind} '{name}' with {shown(params)} cannot be made: {told(error)}"
        ) from error
    _check_members(KINDS[kind], name, part)
    record(Built(spec_of(kind, config), part, context))
    return part


def _check_members(kind: type[Spec], name: str, part: Any) -> None:
    """Whether a part has what its kind must have, before anything is trained with it."""
    allowed = f"classes derived from {kind.base}"
    if not kind.base:
        allowed = f"what sb3_scale.protocols.{kind.__name__} has"
    if kind.plain_needs:
        allowed += f", or modules with {kind.plain_needs[-1]}"
    for method in kind.methods:
        if not callable(getattr(part, method, None)):
            raise Sb3ScaleError(
                f"{kind.kind} '{name}' has no method '{method}'; allowed: {allowed}"
            )
    for attribute in kind.attributes:
        if not hasattr(part, attribute):
            raise Sb3ScaleError(
                f"{kind.kind} '{name}' has no attribute '{attribute}'; allowed: {allowed}"
            )
    if kind.takes_training and "training" not in inspect.signature(part.forward).parameters:
        raise Sb3ScaleError(
            f"{kind.kind} '{name}' has no argument 'training' in forward; allowed: "
            "forward(..., training=False)"
        )


def resolve(kind: str, config: str | type | Mapping[str, Any]) -> tuple[Any, str, dict[str, Any]]:
    """
    Find the code of a part and check its parameters, for a part that somebody else makes.

    :param kind: what the part must be
    :param config: its name, or a mapping with ``name`` and parameters
    :return: the part's class or function, its name and its parameters
    :raises Sb3ScaleError: if the name, a parameter or a value is wrong
    """
    name, params = _split(kind, config)
    spec = _find(kind, name)
    _check(spec, params)
    return load_target(spec), spec.name, params


def spec_of(kind: str, config: str | type | Mapping[str, Any]) -> Spec:
    """
    :param kind: what the part must be
    :param config: its name, or a mapping with ``name`` and parameters
    :return: what its plugin says of it
    :raises Sb3ScaleError: if the name is wrong
    """
    return _find(kind, _split(kind, config)[0])


def _find(kind: str, name: str | type) -> Spec:
    if kind == "extractor" and (isinstance(name, type) or is_path(name)):
        return class_spec(name)
    key = f"{kind}:{name}"
    plugin, spec = manager().find(kind, str(name), (_providers.get() or {}).get(key, ""))
    used = _used.get()
    if used is not None:
        used[key] = plugin.distribution
    return spec


def _split(kind: str, config: str | type | Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    if isinstance(config, str) or (kind == "extractor" and isinstance(config, type)):
        return config, {}
    if not isinstance(config, Mapping):
        raise Sb3ScaleError(
            f"{kind} is {shown(config)} ({type(config).__name__}); allowed: a name, or a mapping "
            "with 'name' and parameters"
        )
    params = dict(config)
    name = params.pop("name", None)
    if not isinstance(name, str) and not (kind == "extractor" and isinstance(name, type)):
        raise Sb3ScaleError(f"{kind} {shown(dict(config))} lacks the key 'name'")
    return name, params


def _check(spec: Spec, params: Mapping[str, Any]) -> None:
    known = parameters(spec)
    hints = annotations(load_target(spec))
    for key, value in params.items():
        check_key(f"{spec.kind} '{spec.name}' has no parameter", key, value, known)
        check_type(f"{spec.kind} '{spec.name}'", key, value, hints.get(key, Any))
    missing = [
        key
        for key, parameter in known.items()
        if parameter.default is inspect.Parameter.empty and key not in params
    ]
    if missing:
        raise Sb3ScaleError(f"{spec.kind} '{spec.name}' needs the parameter '{missing[0]}'")


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


def kinds_of(name: str) -> list[str]:
    """
    :param name: name of a part
    :return: the part kinds that have a part of that name
    """
    return [kind for kind in KINDS if any(spec.name == name for _, spec in manager().specs(kind))]
