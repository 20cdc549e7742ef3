"""Extractors of Stable-Baselines3's kind that no plugin offers: a class, or the path to one."""

import importlib
import sys
from typing import Any

from sb3_scale.errors import Sb3ScaleError, nearest, shown
from sb3_scale.guard import importing_module
from sb3_scale.specs import ExtractorClass

LIBRARIES = ("stable_baselines3", "sb3_contrib")
"""Whose modules a file may have imported."""

ALLOWED = "allowed: the name of an extractor, or a class derived from BaseFeaturesExtractor"


def is_path(name: str) -> bool:
    """
    :param name: of an extractor
    :return: whether it is ``"module:Class"``
    """
    return ":" in name


def path_of(cls: type) -> str:
    """
    :param cls: a class
    :return: ``"module:Class"``
    """
    return f"{cls.__module__}:{cls.__qualname__}"


def class_spec(given: str | type) -> ExtractorClass:
    """
    :param given: the class, or ``"module:Class"``
    :return: what stands for its plugin's description
    :raises Sb3ScaleError: if there is no such class, or it is of another kind
    """
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor

    found = given if isinstance(given, type) else _imported(given)
    if not (isinstance(found, type) and issubclass(found, BaseFeaturesExtractor)):
        raise Sb3ScaleError(f"extractor is {shown(given)}; {ALLOWED}")
    path = path_of(found)
    return ExtractorClass(path, path, code=found)


def _imported(path: str) -> Any:
    module, _, attribute = path.partition(":")
    try:
        with importing_module(module):
            holder: Any = importlib.import_module(module)
    except Sb3ScaleError as error:
        raise Sb3ScaleError(f"extractor {shown(path)} cannot be imported: {error}") from None
    for name in attribute.split("."):
        if name not in dir(holder):
            raise Sb3ScaleError(
                f"extractor is {shown(path)}, and {module} has no {shown(name)}; {ALLOWED}"
                + nearest(name, dir(holder))
            )
        holder = getattr(holder, name)
    return holder


def named(config: Any) -> Any:
    """
    :param config: extractor parts, classes among them
    :return: the same with paths in place of classes that can be imported, which a file can hold
    """
    if isinstance(config, type):
        path = path_of(config)
        holder: Any = sys.modules.get(config.__module__)
        for name in config.__qualname__.split("."):
            holder = getattr(holder, name, None)
        return path if holder is config else config
    if isinstance(config, dict):
        return {key: named(each) for key, each in config.items()}
    return config


def check_imports(config: Any, where: str) -> None:
    """
    :param config: the extractor part of a file that is not trusted
    :param where: the file is, for the message
    :raises Sb3ScaleError: if reading it would import a module that nobody else did
    """
    if isinstance(config, dict):
        name = config.get("name")
        for each in (name, *(config.get("keys") or {}).values()) if name == "dict" else (name,):
            check_imports(each, where)
    elif isinstance(config, str) and is_path(config):
        module = config.partition(":")[0]
        if module.partition(".")[0] not in LIBRARIES and module not in sys.modules:
            raise Sb3ScaleError(
                f"{where} has the extractor {shown(config)}, whose module is not imported; "
                f"allowed: import {module} before, or trust=True"
            )
