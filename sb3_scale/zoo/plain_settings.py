"""Settings that name a recipe or follow the environment, made plain before RL-Zoo reads them."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from gymnasium import spaces

from sb3_scale.actions import is_discrete
from sb3_scale.notices import notice
from sb3_scale.recipes import deviations, environments, files, resolve
from sb3_scale.recipes.changes import REPEAT, Settings, together
from sb3_scale.recipes.normalization import choose_normalization
from sb3_scale.zoo import backends, checks, notation, settings_files


@contextmanager
def in_place_of_recipes(manager: Any) -> Iterator[None]:
    """
    Within it, RL-Zoo reads plain settings where the user's name a recipe, follow the environment or
    have paths with dots. All others it reads itself.

    :param manager: RL-Zoo's ``ExperimentManager``, whose settings were checked
    :raises Sb3ScaleError: if there is no such recipe, or a change is wrong
    """
    config, changes, env_id = manager.config, manager.custom_hyperparams, manager.env_name.gym_id
    task: Mapping[str, Any] = {}
    if settings_files.is_yaml(config):
        task = settings_files.task(config, env_id, manager._is_atari)
        task = named(task, Path(config), env_id, manager.env_kwargs)
    if not (resolve.asks(task) or resolve.asks(changes or {})):
        yield
        return
    found = resolved(task, together([changes or {}]), manager.algo, env_id, manager.env_kwargs)
    if manager.env_kwargs:
        # RL-Zoo takes those of the command line in the place of the others.
        manager.env_kwargs = found["env_kwargs"]
    # A name without the ending of a file is a module to RL-Zoo, which this one is.
    module: Any = ModuleType(f"{config}, made plain")
    module.hyperparams = {env_id: found}
    sys.modules[module.__name__] = module
    manager.config, manager.custom_hyperparams = module.__name__, None
    try:
        yield
    finally:
        manager.config, manager.custom_hyperparams = config, changes
        del sys.modules[module.__name__]


def named(
    task: Mapping[str, Any], path: Path, env_id: str, env_kwargs: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """
    :param task: settings of the task
    :param path: of their file
    :param env_id: the task
    :param env_kwargs: in the place of those of the settings
    :return: those of a recipe by its name where actions are discrete, so that its changes for them
        count; others as they are
    :raises Sb3ScaleError: if the task cannot be made
    """
    recipe = files.name_of(path)
    if recipe is None:
        return task
    given = env_kwargs or task.get("env_kwargs") or {}
    return {"recipe": recipe} if is_discrete(facts(env_id, given).actions) else task


def resolved(
    task: Mapping[str, Any],
    changes: Mapping[str, Any],
    algo: str,
    env_id: str,
    env_kwargs: Mapping[str, Any] | None = None,
) -> Settings:
    """
    :param task: settings of the task
    :param changes: of them, put together; a ``recipe`` among them takes the place of the settings
    :param algo: name of the algorithm
    :param env_id: the task
    :param env_kwargs: in the place of those of the settings, but for their ``action_repeat``
    :return: plain settings
    :raises Sb3ScaleError: if there is no such recipe, it is for another algorithm, or a change is
        wrong
    """
    repeats = environments.repeats_actions(env_id)

    def with_arguments(actions: spaces.Space[Any] | None) -> tuple[Settings, list[str]]:
        settings = resolve.changed(task, changes, algo, env_id, actions)
        decided = resolve.repeat_actions(settings, repeats)
        if env_kwargs:
            settings["env_kwargs"] = with_repeat(env_kwargs, settings.get("env_kwargs"))
        return settings, decided

    settings, decided = with_arguments(None)
    if "recipe" in task or "recipe" in changes:
        actions = facts(env_id, settings.get("env_kwargs") or {}).actions
        if is_discrete(actions):
            settings, decided = with_arguments(actions)
    if settings.get("gamma") == resolve.AUTO or settings.get("normalize"):
        # A backend has nothing to wrap, and says so later.
        wrapper = None if settings.get(backends.KEY) else settings.get("env_wrapper")
        checks.check_wrappers({"env_wrapper": wrapper})
        known = facts(env_id, settings.get("env_kwargs") or {}, wrapper)
        decided += resolve.choose_gamma(settings, known.max_episode_steps)
        decided += choose_normalization(settings, known.observations)
    decided += deviations.of(task, changes, settings, algo, env_id)
    for line in decided:
        notice(f"{env_id}: {line}")
    return settings


def with_repeat(env_kwargs: Mapping[str, Any], replaced: Any) -> dict[str, Any]:
    """
    :param env_kwargs: of the command line, without a mistake that is told later
    :param replaced: those that they replace
    :return: the first, with the ``action_repeat`` of the second where they have none
    """
    repeat = replaced.get(REPEAT) if isinstance(replaced, Mapping) else None
    return {**({} if repeat is None else {REPEAT: repeat}), **env_kwargs}


def facts(
    env_id: str, env_kwargs: Mapping[str, Any], env_wrapper: Any = None
) -> environments.Facts:
    """
    :param env_id: a task
    :param env_kwargs: arguments for it
    :param env_wrapper: around it, in RL-Zoo's notation
    :return: what it says of itself
    :raises Sb3ScaleError: if it cannot be made
    """
    wrappers = list(notation.classes("env_wrapper", env_wrapper))
    with environments.making(env_id):
        return environments.facts(env_id, env_kwargs, wrappers)
