"""Plain settings of those that name a recipe, or follow the environment."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from inspect import signature
from typing import Any

from gymnasium import spaces

from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.policies import ScalePolicy
from sb3_scale.quantities import Whole
from sb3_scale.recipes import files
from sb3_scale.recipes.changes import REPEAT, Settings, change, together

AUTO = "auto"
"""Value of ``gamma`` that follows the length of an episode."""

UNKNOWN_LENGTH_GAMMA = 0.99

RATE = "learning_rate"
OF_A_PART = f"_{RATE}"
"""What the names of rates end with that parts have of their own."""

ENV_KWARGS = "env_kwargs"

OF_POLICY = signature(ScalePolicy).parameters.keys() - {"use_sde"}
"""Arguments of the policy, which are no settings of an algorithm."""


def asks(settings: Mapping[str, Any]) -> bool:
    """
    :param settings: of a task, or changes of them
    :return: whether they have something that the functions below resolve
    """
    return (
        not {"recipe", REPEAT}.isdisjoint(settings)
        or settings.get("gamma") == AUTO
        or any("." in key for key in settings)
    )


def plain(
    settings: Mapping[str, Any],
    algo: str,
    env_id: str | None,
    above: Sequence[str] = (),
    actions: spaces.Space[Any] | None = None,
) -> Settings:
    """
    Put a recipe and its changes together.

    :param settings: of a task; with the key ``recipe`` the others are changes of that recipe, and
        may be paths with dots
    :param algo: name of the algorithm
    :param env_id: the task, if it has a name
    :param above: recipes that begin with these settings
    :param actions: of the task, nothing for continuous ones
    :return: settings without either
    :raises Sb3ScaleError: if there is no such recipe, it is for another algorithm or other actions,
        begins with itself, or a change leads into what is no mapping
    """
    own = dict(settings)
    start: Settings = {}
    if "recipe" in own:
        name = own.pop("recipe")
        if not isinstance(name, str):
            raise Sb3ScaleError(f"recipe is {shown(name)}; allowed: the name of a recipe")
        if name in above:
            raise Sb3ScaleError(
                f"the recipe '{name}' begins with itself: {' -> '.join((*above, name))}; allowed: "
                "another one"
            )
        inner = files.settings_for(files.path_of(name, algo), env_id, actions)
        start = plain(inner, algo, env_id, (*above, name), actions)
    return _with(start, together([own]))


def changed(
    settings: Mapping[str, Any],
    changes: Mapping[str, Any],
    algo: str,
    env_id: str | None,
    actions: spaces.Space[Any] | None = None,
) -> Settings:
    """
    :param settings: of a task
    :param changes: of them, put together; a ``recipe`` among them takes the place of the settings
    :param algo: name of the algorithm
    :param env_id: the task, if it has a name
    :param actions: of the task, nothing for continuous ones
    :return: settings without recipe and paths
    :raises Sb3ScaleError: as :func:`plain`
    """
    own = dict(changes)
    if "recipe" in own:
        settings = {"recipe": own.pop("recipe")}
    return _with(plain(settings, algo, env_id, actions=actions), own)


def anywhere(
    settings: Mapping[str, Any],
    algo: str,
    env_id: str | None = None,
    max_episode_steps: int | None = None,
) -> Settings:
    """
    :param settings: of a task
    :param algo: name of the algorithm
    :param env_id: the task, if it has a name
    :param max_episode_steps: decisions in the longest episode, if that is known
    :return: plain settings for an environment that takes no ``action_repeat``
    :raises Sb3ScaleError: as :func:`plain` and :func:`repeat_actions`
    """
    found = plain(settings, algo, env_id)
    repeat_actions(found, False)
    choose_gamma(found, max_episode_steps)
    return found


def _with(settings: Settings, changes: Mapping[str, Any]) -> Settings:
    before = settings.get(ENV_KWARGS)
    for key, value in changes.items():
        _check_no_part(key, value)
        change(settings, key, deepcopy(value))
    # A rate for all is for those too that had one of their own before.
    if RATE in changes:
        for key in own_rates(settings):
            if key not in changes:
                del settings[key]
    _settle_repeat(settings, changes, before)
    return settings


def _settle_repeat(settings: Settings, changes: Mapping[str, Any], before: Any) -> None:
    """The later says how often, whichever way it is written; other arguments leave it as it was."""
    arguments: Settings = {}
    for key, value in changes.items():
        if _is_argument(key):
            change(arguments, key, value)
    if _repeats(arguments.get(ENV_KWARGS)):
        if REPEAT in changes:
            raise Sb3ScaleError(
                f"{REPEAT} and {ENV_KWARGS} both give {REPEAT}; allowed: one of them"
            )
        settings.pop(REPEAT, None)
    elif REPEAT in changes:
        if _repeats(settings.get(ENV_KWARGS)):
            settings[ENV_KWARGS].pop(REPEAT)
    elif ENV_KWARGS in changes:
        settings[ENV_KWARGS] = with_repeat(settings[ENV_KWARGS], before)


def with_repeat(env_kwargs: Any, replaced: Any) -> Any:
    """
    :param env_kwargs: arguments of an environment; what is no mapping is told later
    :param replaced: those that they replace
    :return: the first, with the ``action_repeat`` of the second where they have none
    """
    repeat = replaced.get(REPEAT) if isinstance(replaced, Mapping) else None
    if repeat is None or not isinstance(env_kwargs, Mapping | None):
        return env_kwargs
    return {REPEAT: repeat, **(env_kwargs or {})}


def _check_no_part(key: str, value: Any) -> None:
    """A path that begins with a part of the policy, or with the recipe."""
    path = key.removeprefix("recipe.")
    if path.partition(".")[0] in OF_POLICY:
        raise Sb3ScaleError(
            f"there is no setting {shown(key)} (its value was {shown(value, 150)}); did you mean "
            f"'policy_kwargs.{path}'?"
        )


def own_rates(settings: Mapping[str, Any]) -> list[str]:
    """
    :param settings: of an algorithm
    :return: names of the rates that parts have of their own
    """
    return [key for key in settings if key.endswith(OF_A_PART)]


def has_env_kwargs(changes: Mapping[str, Any]) -> bool:
    """
    :param changes: of settings
    :return: whether they give the environment arguments
    """
    return any(map(_is_argument, changes))


def _is_argument(key: str) -> bool:
    return key.partition(".")[0] == ENV_KWARGS


def _repeats(env_kwargs: Any) -> bool:
    return isinstance(env_kwargs, Mapping) and REPEAT in env_kwargs


def repeat_actions(settings: Settings, repeats: bool, own: Any = None) -> list[str]:
    """
    Move ``action_repeat`` to ``env_kwargs``.

    :param settings: plain but for this, which are changed
    :param repeats: whether the environment takes it
    :param own: how often the environment takes an action by itself, if it says so
    :return: what was decided, in words, where it was left out
    :raises Sb3ScaleError: if it is no whole number above 0
    """
    if REPEAT not in settings:
        return []
    repeat = Whole(1)(REPEAT, settings.pop(REPEAT))
    if repeats:
        settings[ENV_KWARGS] = with_repeat(settings.get(ENV_KWARGS), {REPEAT: repeat})
    elif own is not None and own != repeat:
        return [f"with the environment's own action_repeat of {own}, and not {repeat}"]
    elif own is None and repeat != 1:
        return [f"without its action_repeat of {repeat}, which the environment does not take"]
    return []


def choose_gamma(settings: Settings, max_episode_steps: int | None) -> list[str]:
    """
    Put a number in the place of ``gamma: auto``.

    :param settings: plain but for this, which are changed
    :param max_episode_steps: decisions in the longest episode, if that is known
    :return: what was decided, in words
    """
    if settings.get("gamma") != AUTO:
        return []
    if max_episode_steps is None:
        settings["gamma"] = UNKNOWN_LENGTH_GAMMA
        return [f"gamma {UNKNOWN_LENGTH_GAMMA:g}, since the environment tells no limit of steps"]
    settings["gamma"] = discount(max_episode_steps)
    return [f"gamma {settings['gamma']:g} for episodes of at most {max_episode_steps} decisions"]


def discount(max_episode_steps: int) -> float:
    """
    The discount of XQC (Palenicek et al., 2026) and SimbaV2 (Lee et al., 2025).

    :param max_episode_steps: decisions in the longest episode, ``T``
    :return: ``(T / 5 - 1) / (T / 5)``, at least .95 and at most .995
    """
    fifth = max_episode_steps / 5
    return min(max((fifth - 1) / fifth, 0.95), 0.995)
