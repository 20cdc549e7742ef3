"""
From a part in a YAML file to an object: find the spec, check the parameters, call the code.
"""

import importlib
import inspect
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.resources import files
from pathlib import Path
from typing import Any

from sb3_scale.built import Built, completed, record
from sb3_scale.errors import Sb3ScaleError, check_key, shown
from sb3_scale.extractor_classes import class_spec, is_path
from sb3_scale.guard import importing_module, told
from sb3_scale.plugins import manager
from sb3_scale.quantities import Whole
from sb3_scale.specs import KINDS, ExtractorClass, Recipe, Spec, ZooConfig
from sb3_scale.value_types import annotations, check_type, is_tuple

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
        with importing_module(module):
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
        with importing_module(package):
            # Of a folder without __init__.py the text is no path.
            folder = Path(str(files(package) / "file")).parent
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
    if "features_dim" in kind.attributes:
        Whole(1)(f"features_dim of {kind.kind} '{name}'", part.features_dim)
    if kind.takes_training:
        _check_forward(kind, name, inspect.signature(part.forward).parameters)


def _check_forward(kind: type[Spec], name: str, known: Mapping[str, Any]) -> None:
    if "training" not in known:
        raise Sb3ScaleError(
            f"{kind.kind} '{name}' has no argument 'training' in forward; allowed: "
            "forward(..., training=False)"
        )
    second = [*known, "", ""][1]
    if kind.second and second != kind.second:
        raise Sb3ScaleError(
            f"{kind.kind} '{name}' has '{second}' as the second argument of forward; allowed: "
            f"'{kind.second}', which is given without its name"
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
    return load_target(spec), spec.name, _checked(spec, params)


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


def _checked(spec: Spec, params: Mapping[str, Any]) -> dict[str, Any]:
    known = parameters(spec)
    hints = annotations(load_target(spec))
    found = {}
    for key, value in params.items():
        check_key(f"{spec.kind} '{spec.name}' has no parameter", key, value, known)
        hint = hints.get(key, Any)
        # YAML has no tuples.
        found[key] = tuple(value) if isinstance(value, list) and is_tuple(hint) else value
        # An author's own default may be None where the annotation forgets it.
        if value is not None or known[key].default is not None:
            check_type(f"{spec.kind} '{spec.name}'", key, found[key], hint)
    missing = [
        key
        for key, parameter in known.items()
        if parameter.default is inspect.Parameter.empty and key not in params
    ]
    if missing:
        text = f"{spec.kind} '{spec.name}' needs the parameter '{missing[0]}'"
        if not set(spec.context) <= inspect.signature(load_target(spec)).parameters.keys():
            text += f"; its first arguments must be called {', '.join(spec.context)}"
        raise Sb3ScaleError(text)
    return found


def kinds_of(name: str) -> list[str]:
    """
    :param name: name of a part
    :return: the part kinds that have a part of that name
    """
    return [kind for kind in KINDS if any(spec.name == name for _, spec in manager().specs(kind))]
