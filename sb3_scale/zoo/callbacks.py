"""Callbacks by name, under RL-Zoo's own key ``callback``."""

from collections.abc import Iterable, Mapping
from typing import Any

from rl_zoo3.callbacks import ParallelTrainCallback
from stable_baselines3.common.callbacks import BaseCallback

from sb3_scale.algorithms.added_callbacks import TRAINS_A_COPY
from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.parts import build, parameters
from sb3_scale.plugins import manager
from sb3_scale.protocols import PartConfig
from sb3_scale.recipes.wrappers import check_arguments
from sb3_scale.zoo import notation

KEY = "callback"


def for_zoo(given: Any, run_folder: str) -> list[Any]:
    """
    Translate names into what RL-Zoo imports; its own notation passes unchanged.

    A callback that has a parameter ``folder`` writes to the run's folder by default.

    :param given: a callback or a list of them: a name, a mapping with ``name`` and parameters, or
        ``{NAME: {parameter: value}}``, where NAME is one of ours or, as RL-Zoo has it,
        ``module.Class``; or nothing
    :param run_folder: where RL-Zoo saves the run
    :return: entries in RL-Zoo's notation
    :raises Sb3ScaleError: if a name or a parameter is wrong
    """
    return [
        entry if isinstance(entry, BaseCallback) else _entry(entry, run_folder)
        for entry in notation.entries(given)
    ]


def translated(given: Any, run_folder: str) -> Any:
    """
    Translate our own names alone, for a stock policy: all else is left to RL-Zoo.

    :param given: as for :func:`for_zoo`
    :param run_folder: where RL-Zoo saves the run
    :return: the same, unless it has a name of ours
    :raises Sb3ScaleError: if one of our callbacks has a wrong parameter
    """
    entries = notation.entries(given)
    if not any(map(_is_ours, entries)):
        return given
    return [_entry(entry, run_folder) if _is_ours(entry) else entry for entry in entries]


def named(part: PartConfig) -> BaseCallback:
    """
    What RL-Zoo calls.

    :param part: name, or mapping with ``name`` and parameters
    :return: the callback
    """
    callback = build("callback", part)
    if not isinstance(callback, BaseCallback):
        name = part if isinstance(part, str) else part["name"]
        raise Sb3ScaleError(
            f"callback {shown(name)} makes {shown(callback)}; allowed: an object derived from "
            "stable_baselines3.common.callbacks.BaseCallback"
        )
    return callback


def _is_ours(entry: Any) -> bool:
    if isinstance(entry, Mapping):
        return "name" in entry or (len(entry) == 1 and _is_ours(next(iter(entry))))
    return isinstance(entry, str) and "." not in entry


def _entry(entry: Any, run_folder: str) -> Any:
    if isinstance(entry, Mapping) and "name" in entry:
        return _by_name(dict(entry), run_folder)
    name, arguments = notation.split(KEY, entry)
    if not isinstance(name, str):
        raise Sb3ScaleError(f"{KEY} has {shown(name)}; allowed: a name, or MODULE.CLASS")
    if "." not in name:
        return _by_name({**arguments, "name": name}, run_folder)
    return {name: arguments}


def check_imported(entries: Iterable[Any]) -> None:
    """
    :param entries: of :func:`for_zoo`; those in RL-Zoo's notation are imported
    :raises Sb3ScaleError: if one cannot be, is no callback, or an argument is wrong
    """
    for entry in entries:
        if isinstance(entry, BaseCallback):
            continue
        name, arguments = notation.split(KEY, entry)
        target = notation.load(KEY, name)
        if isinstance(target, type):
            _check_class(target)
        check_arguments(f"{KEY} {name}", target, arguments)


def _check_class(target: type) -> None:
    if not issubclass(target, BaseCallback):
        raise Sb3ScaleError(
            f"{KEY} has {target.__name__}; allowed: classes derived from BaseCallback"
        )
    if issubclass(target, ParallelTrainCallback):
        raise Sb3ScaleError(f"{KEY} has {target.__name__}, which {TRAINS_A_COPY}")


def _by_name(config: dict[str, Any], run_folder: str) -> dict[str, Any]:
    named(config)
    _, spec = manager().find("callback", config["name"])
    if "folder" in parameters(spec):
        config.setdefault("folder", run_folder)
    return {f"{__name__}.named": {"part": config}}
