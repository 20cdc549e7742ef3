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
from sb3_scale.recipes import deviations, environments, files, registered, resolve
from sb3_scale.recipes.changes import REPEAT, Settings, together
from sb3_scale.recipes.normalization import choose_normalization
from sb3_scale.zoo import backends, checks, configs, notation, settings_files


@contextmanager
def in_place_of_recipes(manager: Any) -> Iterator[None]:
    """
    Within it, RL-Zoo reads plain settings where the user's name a recipe, follow the environment,
    have paths with dots or are for ScalePolicy and changed, and of a user's Python what it said
    when it was run here. All others it reads itself.

    :param manager: RL-Zoo's ``ExperimentManager``, whose settings were checked
    :raises Sb3ScaleError: if there is no such recipe, or a change is wrong
    """
    config, given, env_id = manager.config, manager.custom_hyperparams, manager.env_name.gym_id
    changes = given or {}
    task = named(settings_files.task(config, env_id, manager._is_atari), Path(config))
    asks = _asks(task, changes, manager.env_kwargs)
    if not asks and settings_files.is_yaml(config):
        yield
        return
    # A user's Python runs once.
    found: Mapping[str, Any] = task
    if asks:
        found = resolved(task, together([changes]), manager.algo, env_id, manager.env_kwargs)
        # What the user changes counts more than a trial, too.
        manager.custom_hyperparams = {key: found[key] for key in changes if key in found}
        if manager.env_kwargs:
            # RL-Zoo takes those of the command line in the place of the others.
            manager.env_kwargs = found["env_kwargs"]
    # A name without the ending of a file is a module to RL-Zoo, which this one is.
    module: Any = ModuleType(f"{config}, made plain")
    module.hyperparams = {env_id: dict(found)}
    sys.modules[module.__name__] = module
    manager.config = module.__name__
    try:
        yield
    finally:
        manager.config, manager.custom_hyperparams = config, given
        del sys.modules[module.__name__]


def _asks(
    task: Mapping[str, Any], changes: Mapping[str, Any], env_kwargs: Mapping[str, Any]
) -> bool:
    if resolve.asks(task) or resolve.asks(changes):
        return True
    return bool(changes or env_kwargs) and configs.uses_scale_policy({**task, **changes})


def named(task: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """
    :param task: settings of the task
    :param path: of their file
    :return: those of a recipe by its name, so that its changes for discrete actions count, and
        what changes it is known; others as they are
    """
    recipe = files.name_of(path)
    return task if recipe is None else {"recipe": recipe}


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
    asked = changes if "recipe" in changes else {**task, **changes}
    repeats = registered.repeats_of(env_id)
    follows = repeats.follows(asked=REPEAT in asked)

    def with_arguments(actions: spaces.Space[Any] | None) -> tuple[Settings, list[str]]:
        settings = resolve.changed(task, changes, algo, env_id, actions)
        decided = resolve.repeat_actions(settings, follows, repeats.own)
        if env_kwargs:
            settings["env_kwargs"] = resolve.with_repeat(env_kwargs, settings.get("env_kwargs"))
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
