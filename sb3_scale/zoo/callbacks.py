"""Callbacks by name, under RL-Zoo's own key ``callback``."""

from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.callbacks import BaseCallback

from sb3_scale.parts import build, parameters
from sb3_scale.plugins import manager
from sb3_scale.protocols import PartConfig


def for_zoo(given: Any, run_folder: str) -> list[Any]:
    """
    Translate names into what RL-Zoo imports; its own notation passes unchanged.

    A callback that has a parameter ``folder`` writes to the run's folder by default.

    :param given: a callback or a list of them: a name, a mapping with ``name`` and parameters, or,
        as RL-Zoo has it, ``module.Class`` or ``{module.Class: {argument: value}}``, or nothing
    :param run_folder: where RL-Zoo saves the run
    :return: entries in RL-Zoo's notation
    :raises Sb3ScaleError: if a name or a parameter is wrong
    """
    if given is None:
        return []
    entries = given if isinstance(given, list) else [given]
    return [_entry(entry, run_folder) if _is_name(entry) else entry for entry in entries]


def named(part: PartConfig) -> BaseCallback:
    """
    What RL-Zoo calls.

    :param part: name, or mapping with ``name`` and parameters
    :return: the callback
    """
    callback: BaseCallback = build("callback", part)
    return callback


def _is_name(entry: Any) -> bool:
    return "name" in entry if isinstance(entry, Mapping) else "." not in str(entry)


def _entry(part: PartConfig, run_folder: str) -> dict[str, Any]:
    config = {"name": part} if isinstance(part, str) else dict(part)
    named(config)
    _, spec = manager().find("callback", config["name"])
    if "folder" in parameters(spec):
        config.setdefault("folder", run_folder)
    return {f"{__name__}.named": {"part": config}}
