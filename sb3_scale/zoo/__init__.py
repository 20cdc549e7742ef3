"""
The bridge into RL-Zoo, which stays unmodified.

``custom_envs``, a module that RL-Zoo imports by name, calls :func:`install`. Where another module
of that name comes first, ``--gym-packages sb3_scale.zoo.installed`` and ``python -m sb3_scale.zoo
train`` do the same. Of RL-Zoo change its table of algorithms, its tables of samplers, the
environments of ``enjoy`` and ``record_video``, which get the ``env_kwargs`` of the run, and how
``ExperimentManager`` reads a configuration: where it looks when no ``-conf`` is given, the key
``env_backend``, callbacks by name, and, for ScalePolicy, checks, a folder of its own, files
replaced as wholes and signals that save. A folder after ``-i`` becomes its newest whole checkpoint.
``--env module:Class`` registers an environment. A trial of a search whose parts do not go together
ends alone. Of a run that one of our errors stops before its first step no folder is left.
"""

import sys
import traceback
import warnings
from collections import Counter
from pathlib import Path
from types import ModuleType, TracebackType
from typing import Any

from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.guard import look_here, told
from sb3_scale.notices import notice
from sb3_scale.parts import load_target
from sb3_scale.plugins import Plugin, is_of_this_project, manager
from sb3_scale.registration import register_envs
from sb3_scale.specs import Spec

STOCK = ("stable_baselines3", "sb3_contrib")
"""Packages whose algorithms RL-Zoo has."""

_installed: set[str] = set()


def install() -> None:
    """
    Make environments, algorithms, configurations and samplers known to RL-Zoo, once.

    Importing RL-Zoo imports ``custom_envs``, which calls this function, at times before
    ``rl_zoo3.exp_manager`` is complete. Then the rest follows when somebody asks that module for
    its ``ExperimentManager``.
    """
    if "tables" not in _installed:
        _installed.add("tables")
        if _is_command(sys.orig_argv):
            from sb3_scale.zoo import own_environments, resume, words

            _speak_in_sentences()
            # The console script does not, and python -m does.
            look_here()
            words.check_words(sys.argv[1:])
            resume.name_checkpoint(sys.argv)
            own_environments.name_env(sys.argv)
            if "--track" in sys.argv:
                from sb3_scale.zoo import tracking

                tracking.check_installed()
        register_envs()
        _install_algorithms()
    module = sys.modules.get("rl_zoo3.exp_manager")
    if module is not None and "ExperimentManager" not in vars(module):
        module.__class__ = _Incomplete
    elif "experiment" not in _installed:
        _installed.add("experiment")
        from sb3_scale.zoo import experiment

        experiment.install()


class _Incomplete(ModuleType):
    """RL-Zoo's module while it is imported; what it is asked for later is complete."""

    def __getattribute__(self, name: str) -> Any:
        if name == "ExperimentManager" and name in vars(self):
            self.__class__ = ModuleType  # type: ignore[assignment]
            install()
        return ModuleType.__getattribute__(self, name)


def _install_algorithms() -> None:
    try:
        from rl_zoo3 import ALGOS
    except ImportError as error:
        raise Sb3ScaleError(f'{error}: pip install "sb3-scale[hub]"') from error

    offers = list(manager().specs("algorithm"))
    times = Counter(spec.name for _, spec in offers)
    for plugin, spec in offers:
        if times[spec.name] > 1:
            ALGOS[spec.name] = _OfferedAlgorithm(spec.name)
            continue
        if takes_stock_name(plugin, spec):
            warnings.warn(
                f"plugin {plugin.label}: its algorithm '{spec.name}' is left out, because RL-Zoo "
                "has one of that name",
                stacklevel=2,
            )
            continue
        # One algorithm that cannot be imported must not stop RL-Zoo for the others.
        try:
            ALGOS[spec.name] = _checked_class(spec)
        except Sb3ScaleError as error:
            warnings.warn(str(error), stacklevel=2)


def _checked_class(spec: Spec) -> Any:
    from stable_baselines3.common.base_class import BaseAlgorithm

    found = load_target(spec)
    if not (isinstance(found, type) and issubclass(found, BaseAlgorithm)):
        raise Sb3ScaleError(
            f"algorithm '{spec.name}' is {shown(found)}; allowed: a class derived from "
            "stable_baselines3.common.base_class.BaseAlgorithm"
        )
    return found


def takes_stock_name(plugin: Plugin, spec: Spec) -> bool:
    """
    :param plugin: of anybody
    :param spec: of its algorithm
    :return: whether RL-Zoo has an algorithm of that name, which no plugin of this project extends
    """
    from rl_zoo3 import ALGOS

    module = getattr(ALGOS.get(spec.name), "__module__", "")
    return module.partition(".")[0] in STOCK and not is_of_this_project(plugin, spec)


class _OfferedAlgorithm:
    """
    Stands in RL-Zoo's table for an algorithm that several distributions offer.

    :param name: as in ``--algo``
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return manager().check_offered_once("algorithm", self._name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return manager().check_offered_once("algorithm", self._name)


def _is_command(words: list[str]) -> bool:
    """Whether a process is a command of RL-Zoo, and not a program that imports it."""
    if "-m" in words[:-1]:
        module = words[words.index("-m") + 1]
        return module == __name__ or module.partition(".")[0] == "rl_zoo3"
    return "rl_zoo3" in (Path(word).stem for word in words[:2])


def _speak_in_sentences() -> None:
    """
    Our own checks end the process with one sentence, as do words that RL-Zoo cannot evaluate; other
    errors keep their traceback.
    """
    previous = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, Sb3ScaleError):
            notice(f"error: {error}")
        elif sentence := _not_python(error, trace) or _not_imported(error, trace):
            notice(f"error: {sentence}")
        else:
            previous(kind, error, trace)

    sys.excepthook = hook


def _not_python(error: BaseException, trace: TracebackType | None) -> str:
    """What ``-params`` and the like have that is no Python; empty for any other error."""
    from rl_zoo3.utils import StoreDict

    for frame, _ in traceback.walk_tb(trace):
        if frame.f_code is StoreDict.__call__.__code__:
            given = frame.f_locals
            return (
                f"{given['option_string']} has {given['arguments']!r:.100}, and RL-Zoo reads what "
                f"follows the colon as Python: {type(error).__name__}: {error}; allowed: "
                "KEY:0.1, KEY:True or \"KEY:'text'\""
            )
    return ""


def _not_imported(error: BaseException, trace: TracebackType | None) -> str:
    """Which module of ``--gym-packages`` cannot be imported; empty for any other error."""
    for frame, _ in traceback.walk_tb(trace):
        module = frame.f_locals.get("env_module")
        ours = frame.f_globals.get("__name__", "").partition(".")[0] in ("rl_zoo3", "__main__")
        if module is not None and ours and module in frame.f_locals["args"].gym_packages:
            if module in sys.modules:
                return ""
            return (
                f"--gym-packages has {module!r:.100}, which cannot be imported: {told(error)}; "
                "allowed: modules that register environments"
            )
    return ""
