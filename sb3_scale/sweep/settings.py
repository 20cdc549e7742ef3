"""What can be wrong with a training, found before any of them starts."""

import gc
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import psutil
import rl_zoo3
from rl_zoo3 import exp_manager
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_scale.algorithms.arguments import ARGUMENTS
from sb3_scale.errors import Sb3ScaleError, shown, suggestion
from sb3_scale.execution.allocator import return_freed_memory
from sb3_scale.parts import build
from sb3_scale.plugins import manager
from sb3_scale.recipes.changes import EVALUATED, Settings
from sb3_scale.recipes.environments import (
    Facts,
    SpacesOnly,
    SpacesWithGoals,
    check_env_kwargs,
)
from sb3_scale.registration import check_env_id
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.zoo import backends, callbacks, checks, configs, plain_settings
from sb3_scale.zoo.own_environments import OPTION, name_env
from sb3_scale.zoo.resume import RESUME

RESHAPING = {"env_wrapper", "frame_stack", "vec_env_wrapper"}
"""Settings that change what an agent observes or does."""

NOT_OF_THE_ALGORITHM = configs.ZOO_KEYS | {backends.KEY}

NOT_TRIED = {"compile", "capture"}
"""Settings without effect before the first gradient step, but on what is imported and printed."""

NOT_MADE = {"buffer_size", *NOT_TRIED}
"""Settings of which the algorithm is made here with others."""

OWN_OPTIONS = {
    "--algo": "the key algo",
    "--env": "the key env",
    "--env-kwargs": "env_kwargs in settings",
    "--seed": "the key seeds",
    "--n-timesteps": "n_timesteps in settings",
    "-n": "n_timesteps in settings",
    "--hyperparams": "the key settings",
    "-params": "the key settings",
    "--conf-file": "the key conf_file",
    "-conf": "the key conf_file",
    "--eval-freq": "the key eval_freq",
    "--eval-episodes": "the key eval_episodes",
    "--gym-packages": "the key gym_packages",
    "--log-folder": "--output of sb3-scale sweep",
    "-f": "--output of sb3-scale sweep",
    "--uuid": "folders without it",
    "-uuid": "folders without it",
    "--trained-agent": "trainings from their beginning",
    "-i": "trainings from their beginning",
    RESUME: "trainings from their beginning",
    "--trial-id": "the key settings",
    "--optimize-hyperparameters": "the key grid",
    "-optimize": "the key grid",
}
"""Options of RL-Zoo that decide what a sweep decides, and what to write instead."""


def check_train_args(words: Sequence[str]) -> None:
    """
    :param words: for RL-Zoo's command
    :raises Sb3ScaleError: if one is an option that the sweep gives itself, or short for one
    """
    for word in words:
        name = word.partition("=")[0]
        for option, instead in OWN_OPTIONS.items():
            # argparse takes any beginning of a name, and a value right after a single letter.
            attached = len(option) == 2 and name.startswith(option)
            if name.startswith("-") and (option.startswith(name) or attached):
                raise Sb3ScaleError(f"train_args has {shown(word)}; allowed: {instead}")


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

    It is not made behind a wrapper, nor from settings that RL-Zoo evaluates as Python, and stock
    policies are left to Stable-Baselines3.

    :param algo: name of the algorithm
    :param env_id: the task
    :param settings: of the task
    :raises Sb3ScaleError: if the policy, a key, a value or a part is wrong
    """
    algorithm = rl_zoo3.ALGOS[algo]
    scale = configs.uses_scale_policy(settings)
    if scale:
        checks.check_algorithm(algo, algorithm)
    else:
        checks.check_policy(algo, algorithm, settings)
        settings = {**settings, "policy_kwargs": {}}
    configs.check(algo, algorithm, settings)
    for key in sorted(settings.keys() & NOT_MADE):
        ARGUMENTS[key](key, settings[key])
    check_env_kwargs(env_id, settings.get("env_kwargs") or {})
    if not scale:
        return
    callbacks.for_zoo(settings.get("callback"), "")
    evaluated = any(_is_python(key, settings.get(key)) for key in EVALUATED)
    if not evaluated and not RESHAPING & settings.keys():
        known = plain_settings.facts(env_id, settings.get("env_kwargs") or {})
        collector = build("collector", settings.get("collector", "local"))
        n_envs = collector.count_environments(settings.get("n_envs"))
        envs = _envs(known, n_envs)
        _make(algo, envs, settings)


def _is_python(key: str, value: Any) -> bool:
    """Whether RL-Zoo evaluates it; names of our replay buffers it never sees."""
    if key == "replay_buffer_class" and isinstance(value, str):
        return "." in value or hasattr(exp_manager, value)
    return isinstance(value, str)


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
