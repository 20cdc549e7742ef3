"""What changes make of a recipe beside what they say, in words."""

from collections.abc import Mapping
from math import isnan
from typing import Any

from sb3_scale.parts import build
from sb3_scale.recipes import resolve
from sb3_scale.recipes.gradient_steps import per_decision

PARTS = "policy_kwargs"


def of(
    settings: Mapping[str, Any],
    changes: Mapping[str, Any],
    plain: Mapping[str, Any],
    algo: str,
    env_id: str | None,
) -> list[str]:
    """
    :param settings: of a task, which name a recipe or not; what stands beside it changes it too
    :param changes: of them, put together; a ``recipe`` among them takes the place of the settings
    :param plain: what became of both
    :param algo: name of the algorithm
    :param env_id: the task, if it has a name
    :return: a sentence on each thing that the user may not expect
    :raises Sb3ScaleError: if there is no such recipe
    """
    if "recipe" in settings and "recipe" not in changes:
        changes = {**settings, **changes}
    return [*_without(changes, algo, env_id), *_steps(changes, plain, algo)]


def _without(changes: Mapping[str, Any], algo: str, env_id: str | None) -> list[str]:
    """Parts of the recipe that are gone, where all of them are given anew."""
    given, name = changes.get(PARTS), changes.get("recipe")
    if not isinstance(given, Mapping) or name is None:
        return []
    theirs = resolve.plain({"recipe": name}, algo, env_id).get(PARTS) or {}
    gone = [key for key in theirs if key not in given]
    if not gone:
        return []
    one = next(iter(given), gone[0])
    return [
        f"{PARTS} take the place of the recipe's, whose {', '.join(gone)} are gone; {PARTS}.{one} "
        "would change one alone"
    ]


def _steps(changes: Mapping[str, Any], plain: Mapping[str, Any], algo: str) -> list[str]:
    """Stable-Baselines3 counts a step of all environments as one."""
    n_envs, steps = changes.get("n_envs", 1), plain.get("gradient_steps", 1)
    share = per_decision(algo, plain)
    if isnan(share) or n_envs in (None, 1) or steps < 1:
        return []
    if build("collector", plain.get("collector", "local")).own_environments:
        return []
    return [
        f"{share:g} gradient steps per decision, since gradient_steps {steps} "
        f"are for a step of all {n_envs} environments"
    ]
