"""What can be wrong with a training, found before any of them starts."""

import gc
from copy import deepcopy
from typing import Any

import psutil
import rl_zoo3
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_scale.algorithms import ScaleAlgorithm
from sb3_scale.algorithms.arguments import ARGUMENTS
from sb3_scale.algorithms.checks import check_known_to_stock
from sb3_scale.algorithms.options import defaults
from sb3_scale.errors import Sb3ScaleError, shown, suggestion
from sb3_scale.execution.allocator import return_freed_memory
from sb3_scale.guard import look_here
from sb3_scale.parts import build
from sb3_scale.plugins import manager
from sb3_scale.recipes.changes import Settings
from sb3_scale.recipes.environments import (
    Facts,
    SpacesOnly,
    SpacesWithGoals,
    check_env_kwargs,
)
from sb3_scale.registration import check_env_id
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.zoo import backends, callbacks, checks, configs, evaluated, plain_settings
from sb3_scale.zoo.frame_stacks import check_stacked_once
from sb3_scale.zoo.own_environments import OPTION, name_env

RESHAPING = {"env_wrapper", "frame_stack", "vec_env_wrapper"}
"""Settings that change what an agent observes or does."""

NOT_OF_THE_ALGORITHM = configs.ZOO_KEYS | {backends.KEY}

NOT_TRIED = {"compile", "capture"}
"""Settings without effect before the first gradient step, but on what is imported and printed."""

NOT_MADE = {"buffer_size", *NOT_TRIED}
"""Settings of which the algorithm is made here with others."""


def check_names(algo: Any, env: Any) -> str:
    """
    :param algo: name of the algorithm
    :param env: the task, as RL-Zoo's ``--env``
    :return: its id
    :raises Sb3ScaleError: if there is no such algorithm or task, or several plugins offer it
    """
    for key, value in (("algo", algo), ("env", env)):
        if not isinstance(value, str):
            raise Sb3ScaleError(f"{key} is {shown(value)}; allowed: one name; several are an axis")
    if algo not in rl_zoo3.ALGOS:
        raise Sb3ScaleError(f"algo is {shown(algo)}{suggestion(algo, rl_zoo3.ALGOS)}")
    words: list[str] = [OPTION, env]
    name_env(words)
    env_id = words[1]
    check_env_id(env_id)
    for kind, name in (("algorithm", algo), ("env", env_id)):
        manager().check_offered_once(kind, name)
    return env_id


def check_settings(algo: str, env_id: str, settings: Settings) -> None:
    """
    Check policy, keys, types and callbacks, and make the algorithm once for the spaces of the task.

    It is not made behind a wrapper, and stock policies are left to Stable-Baselines3.

    :param algo: name of the algorithm
    :param env_id: the task
    :param settings: of the task
    :raises Sb3ScaleError: if the policy, a key, a value or a part is wrong
    """
    algorithm, settings = rl_zoo3.ALGOS[algo], dict(settings)
    scale = configs.uses_scale_policy(settings)
    if "replay_buffer_class" in settings:
        settings["replay_buffer_class"] = evaluated.replay_buffer_class(settings)
    if scale:
        checks.check_algorithm(algo, algorithm)
        evaluated.evaluate(settings)
    else:
        checks.check_policy(algo, algorithm, settings)
        checks.check_no_options(algo, algorithm, settings)
        if issubclass(algorithm, ScaleAlgorithm):
            own = {**defaults(algorithm.options), **algorithm.stock_defaults}
            check_known_to_stock(str(settings["policy"]), settings, own)
        callbacks.translated(settings.get("callback"), "")
        settings["policy_kwargs"] = {}
    configs.check(algo, algorithm, settings)
    for key in sorted(settings.keys() & NOT_MADE):
        ARGUMENTS[key](key, settings[key])
    env_kwargs = settings.get("env_kwargs") or {}
    check_env_kwargs(env_id, env_kwargs)
    if not scale:
        return
    look_here()
    callbacks.check_imported(callbacks.for_zoo(settings.get("callback"), ""))
    checks.check_wrappers(settings)
    check_stacked_once(env_id, env_kwargs, settings)
    if not RESHAPING & settings.keys():
        known = plain_settings.facts(env_id, env_kwargs)
        collector = build("collector", settings.get("collector", "local"))
        _make(algo, _envs(known, collector.count_environments(settings.get("n_envs"))), settings)


def _make(algo: str, envs: DummyVecEnv, settings: Settings) -> None:
    """Make the algorithm, with RL-Zoo's reading of its arguments and next to no replay buffer."""
    arguments = {
        # Stable-Baselines3 changes what it is given.
        key: deepcopy(value)
        for key, value in settings.items()
        if key not in NOT_OF_THE_ALGORITHM and key not in NOT_TRIED
    }
    arguments |= {"policy": "ScalePolicy", "buffer_size": 1, "device": "cpu", "env": envs}
    if isinstance(arguments.get("train_freq"), list):
        arguments["train_freq"] = tuple(arguments["train_freq"])
    if isinstance(arguments.get("learning_rate"), str):
        arguments["learning_rate"] = float(arguments["learning_rate"].removeprefix("lin_"))
    # The collection below looks at what is new alone.
    gc.freeze()
    try:
        made = rl_zoo3.ALGOS[algo](**arguments)
        _check_room(made.replay_buffer, settings.get("buffer_size", 1))
    except Sb3ScaleError:
        raise
    except Exception as error:
        raise Sb3ScaleError(f"--algo {algo} cannot be made with these settings: {error}") from error
    finally:
        # An algorithm refers to itself, and large networks should not pile up.
        made = None
        gc.collect()
        gc.unfreeze()
        return_freed_memory()


def _check_room(buffer: Any, transitions: int) -> None:
    """Against all memory of the machine: what is free may be another when a training starts."""
    if not isinstance(buffer, CompactReplayBuffer) or buffer.storage == "device":
        return
    each, room = buffer.row.itemsize, psutil.virtual_memory().total
    if transitions * each > room:
        raise Sb3ScaleError(
            f"buffer_size is {transitions}: at least {transitions * each / 1e9:.1f} GB are needed, "
            f"and the machine has {room / 1e9:.1f} GB; allowed: at most {room // each}"
        )


def _envs(known: Facts, n_envs: int) -> DummyVecEnv:
    stand_in = SpacesWithGoals if known.has_goals else SpacesOnly
    return DummyVecEnv([lambda: stand_in(known.observations, known.actions)] * n_envs)
