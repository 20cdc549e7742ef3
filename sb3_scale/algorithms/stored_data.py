"""The entry ``data`` of a checkpoint: the algorithm's attributes, read with trust or without."""

import base64
import binascii
import json
import math
import pickle
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.save_util import json_to_data
from stable_baselines3.common.type_aliases import TrainFreq

from sb3_scale.algorithms.schedules import CosineSchedule
from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.generators import check_random_states
from sb3_scale.parts import load_target
from sb3_scale.plugins import manager
from sb3_scale.policies import ScalePolicy
from sb3_scale.quantities import is_number
from sb3_scale.trust.objects import STABLE_BASELINES, by_name, with_attributes
from sb3_scale.trust.pickles import Names, read
from sb3_scale.value_types import check_type

if TYPE_CHECKING:
    from sb3_scale.algorithms.base import ScaleAlgorithm

PICKLED = ":serialized:"
"""Stable-Baselines3's key of a pickle within ``data``."""

_NEEDED = (
    *("policy_class", "policy_kwargs", "observation_space", "action_space", "learning_rate"),
    *("n_envs", "num_timesteps", "_n_updates", "buffer_size", "batch_size", "gamma", "train_freq"),
)
_COUNTS = {
    "n_envs": 1,
    "num_timesteps": 0,
    "_n_updates": 0,
    "_total_timesteps": 0,
    "_num_timesteps_at_start": 0,
    "_episode_num": 0,
    "_stats_window_size": 1,
}
"""What no constructor checks, and its least value."""

Data = dict[str, Any]


def parse(content: bytes, where: str) -> Data:
    """
    :param content: of the entry
    :param where: it is, for the message
    :return: it as JSON has it, pickles unread
    :raises Sb3ScaleError: if it is no mapping
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Sb3ScaleError(f"{where} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise Sb3ScaleError(f"{where} is {type(found).__name__}; allowed: a mapping")
    return found


def unpickled(
    found: Data,
    algorithm: type["ScaleAlgorithm"],
    given: Mapping[str, Any],
    trust: bool,
    where: str,
) -> Data:
    """
    :param found: of :func:`parse`
    :param algorithm: that loads
    :param given: what replaces entries, which are not read then
    :param trust: whether pickles are loaded, which runs what is in them; else they are described
        and made of the names that checkpoints need
    :param where: the entries are, for the message
    :return: the attributes
    :raises Sb3ScaleError: if one cannot be read, or needs trust
    """
    names = None if trust else _names(algorithm)
    data: Data = {}
    for key, value in found.items():
        if key in given:
            data[key] = given[key]
        elif not isinstance(value, dict) or PICKLED not in value:
            data[key] = value
        elif names is None:
            data.update(_loaded(key, value, where))
        else:
            content = _decoded(key, value, where)
            instead = f"custom_objects={{'{key}': ...}}, or "
            data[key] = read(content, names, f"'{key}' of {where}", instead)
    return data


def _names(algorithm: type["ScaleAlgorithm"]) -> Names:
    found: list[type] = [ScalePolicy, *algorithm.policy_aliases.values()]
    for _, spec in manager().specs("replay-buffer"):
        # A buffer that cannot be imported is no file's.
        try:
            found.append(load_target(spec))
        except Sb3ScaleError:
            continue
    ours = {(CosineSchedule.__module__, "CosineSchedule"): with_attributes(CosineSchedule)}
    return STABLE_BASELINES | Names(ours, by_name(found))


def _decoded(key: str, value: Data, where: str) -> bytes:
    try:
        return base64.b64decode(value[PICKLED])
    except (binascii.Error, TypeError, ValueError) as error:
        raise Sb3ScaleError(f"'{key}' of {where} cannot be read: {error}") from None


def _loaded(key: str, value: Data, where: str) -> Data:
    _decoded(key, value, where)
    try:
        return json_to_data(json.dumps({key: value}))
    except (pickle.UnpicklingError, EOFError, ImportError, LookupError, ValueError) as error:
        raise Sb3ScaleError(
            f"'{key}' of {where} cannot be read: {type(error).__name__}: {error}; allowed: "
            f"custom_objects={{'{key}': ...}}"
        ) from error


def check_data(data: Data, algorithm: type["ScaleAlgorithm"], where: str) -> None:
    """
    :param data: attributes
    :param algorithm: that they are for
    :param where: they are, for the message
    :raises Sb3ScaleError: if one is missing, of another type, or stands in front of what the
        algorithm does
    """
    missing = next((key for key in _NEEDED if key not in data), None)
    if missing is not None:
        raise Sb3ScaleError(f"{where} lacks '{missing}'")
    for key in data:
        if key == "env" or callable(getattr(algorithm, key, None)):
            raise Sb3ScaleError(f"{where} has '{key}', which is no setting")
    check_type(where, "policy_class", data["policy_class"], type[BasePolicy])
    check_type(where, "policy_kwargs", data["policy_kwargs"], dict[str, Any])
    for key in ("observation_space", "action_space"):
        check_type(where, key, data[key], spaces.Space)
    for key, least in _COUNTS.items():
        value = data.get(key, least)
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise _refusal(where, key, value, f"a whole number, at least {least}")
    _check_arguments(data, algorithm, where)
    _check_progress(data, where)


def _check_arguments(data: Data, algorithm: type["ScaleAlgorithm"], where: str) -> None:
    for key, hint in algorithm.__init__.__annotations__.items():
        value = data.get(key)
        if key == "train_freq" and isinstance(value, TrainFreq):
            value = value.frequency
        if isinstance(value, (np.bool_, np.number)):
            value = value.item()
        if key in data:
            check_type(where, key, value, hint)
    seed, frequency = data.get("seed"), data["train_freq"]
    if seed is not None and seed < 0:
        raise _refusal(where, "seed", seed, "nothing, or a whole number, at least 0")
    if isinstance(frequency, TrainFreq) and frequency.frequency < 1:
        raise _refusal(where, "train_freq", frequency.frequency, "at least 1")


def _check_progress(data: Data, where: str) -> None:
    progress = data.get("_current_progress_remaining", 1)
    if not is_number(progress) or not abs(progress) < math.inf:
        raise _refusal(where, "_current_progress_remaining", progress, "a number")
    for key in ("_last_obs", "_last_original_obs", "_last_episode_starts"):
        if not isinstance(data.get(key), (np.ndarray, dict, type(None))):
            raise _refusal(where, key, data[key], "nothing, or arrays")
    for key in ("ep_info_buffer", "ep_success_buffer"):
        episodes = data.get(key)
        if episodes is not None and not isinstance(episodes, deque):
            raise _refusal(where, key, episodes, "nothing, or a queue")
    for episode in data.get("ep_info_buffer") or ():
        if not isinstance(episode, dict) or not {"r", "l"} <= episode.keys():
            raise _refusal(where, "ep_info_buffer", episode, "episodes with 'r' and 'l'")
    providers = data.get("part_providers", {})
    check_type(where, "part_providers", providers, dict[str, str])
    if "random_states" in data:
        try:
            check_random_states(data["random_states"], data["action_space"])
        except (AttributeError, LookupError, TypeError, ValueError, RuntimeError) as error:
            raise Sb3ScaleError(f"'random_states' of {where} cannot be used: {error}") from None


def _refusal(where: str, key: str, value: Any, allowed: str) -> Sb3ScaleError:
    return Sb3ScaleError(f"{where}: {key} is {shown(value)}; allowed: {allowed}")
