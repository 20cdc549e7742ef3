"""What of an environment's observations a recipe's ``normalize`` is for."""

from typing import Any

from gymnasium import spaces
from stable_baselines3.common.preprocessing import is_image_space

from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.recipes.changes import Settings


def choose_normalization(settings: Settings, observations: spaces.Space[Any]) -> list[str]:
    """
    Leave out of ``normalize`` the observations that running statistics are not for: pictures and
    whatever is no array of numbers.

    :param settings: plain but for this, which are changed
    :param observations: of the environment
    :return: what was decided, in words
    :raises Sb3ScaleError: if rewards shall be normalised beside whole numbers as observations
    """
    given = settings.get("normalize")
    given = given if isinstance(given, dict) else {}
    if not normalizes_observations(settings) or "norm_obs_keys" in given:
        return []
    if isinstance(observations, spaces.Dict):
        keys = [key for key, space in observations.items() if _has_statistics(space)]
        if len(keys) == len(observations):
            return []
        chosen: dict[str, Any] = {"norm_obs_keys": keys} if keys else {"norm_obs": False}
    elif _has_statistics(observations):
        return []
    else:
        keys, chosen = [], {"norm_obs": False}
    settings["normalize"] = {**given, **chosen}
    if not keys and not given.get("norm_reward", True):
        settings["normalize"] = False
    elif isinstance(observations, spaces.Discrete):
        raise Sb3ScaleError(
            f"normalize is {shown(given)}, and the observations are {observations}, with which "
            "VecNormalize of Stable-Baselines3 fails; allowed: normalize: false"
        )
    what = f"{', '.join(keys)} alone" if keys else "nothing"
    return [f"of the {_name(observations)} observations, {what} is normalised"]


def normalizes_observations(settings: Settings) -> bool:
    """
    :param settings: plain
    :return: whether their ``normalize`` is for observations
    """
    given = settings.get("normalize")
    return given is True or (isinstance(given, dict) and bool(given.get("norm_obs", True)))


def _has_statistics(space: spaces.Space[Any]) -> bool:
    return isinstance(space, spaces.Box) and not is_image_space(space)


def _name(space: spaces.Space[Any]) -> str:
    return "image" if is_image_space(space) else type(space).__name__
