"""Values of the keys that RL-Zoo uses itself, checked before it makes anything."""

import inspect
import re
from collections.abc import Callable, Mapping
from math import inf
from numbers import Integral, Real
from typing import Any

import gymnasium
from rl_zoo3 import ALGOS
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.policies import BaseModel
from stable_baselines3.common.vec_env import VecEnvWrapper

from sb3_scale.algorithms import ScaleAlgorithm
from sb3_scale.algorithms.options import Options, defaults
from sb3_scale.errors import Sb3ScaleError, shown, suggestion
from sb3_scale.quantities import whole_number
from sb3_scale.recipes.noise import NOISES, check_noise
from sb3_scale.recipes.wrappers import check_arguments, check_monitor, check_normalize
from sb3_scale.value_types import yaml_hint
from sb3_scale.zoo import notation

GIVEN_BY_ZOO = {
    "seed": "--seed",
    "device": "--device",
    "verbose": "--verbose",
    "tensorboard_log": "--tensorboard-log",
    "env": "--env",
    "algo": "--algo",
    "eval_freq": "--eval-freq",
    "eval_episodes": "--eval-episodes",
    "n_eval_envs": "--n-eval-envs",
    "eval_env_kwargs": "--eval-env-kwargs",
    "save_freq": "--save-freq",
    "save_replay_buffer": "--save-replay-buffer",
    "log_interval": "--log-interval",
    "num_threads": "--num-threads",
    "vec_env": "--vec-env",
    "progress": "--progress",
}
"""What RL-Zoo gives itself, and its options for it."""

MOST_ENVS = 1 << 16

_LINEAR = re.compile(r"lin_\d*\.?\d+(e[+-]?\d+)?", re.IGNORECASE)


def check_policy(algo: str, algorithm: type[BaseAlgorithm], hyperparams: Mapping[str, Any]) -> None:
    """
    :param algo: name of the algorithm
    :param algorithm: its class
    :param hyperparams: settings of a task
    :raises Sb3ScaleError: if the policy is missing, or is none that the algorithm knows
    """
    policy = hyperparams.get("policy")
    if isinstance(policy, str) and policy in algorithm.policy_aliases:
        return
    if isinstance(policy, str) and "." in policy:
        found = notation.load("policy", policy)
        if isinstance(found, type) and issubclass(found, BaseModel):
            return
    allowed = suggestion(str(policy), [*algorithm.policy_aliases, "MODULE.CLASS"])
    raise Sb3ScaleError(f"{algo}: policy is {shown(policy)}{allowed}")


def check_algorithm(algo: str, algorithm: type[BaseAlgorithm]) -> None:
    """
    :param algo: name of the algorithm
    :param algorithm: its class
    :raises Sb3ScaleError: if it does not train ScalePolicy
    """
    if not issubclass(algorithm, ScaleAlgorithm):
        able = ", ".join(_able())
        raise Sb3ScaleError(f"--algo {algo} does not train ScalePolicy; allowed: {able}")


def check_no_options(
    algo: str, algorithm: type[BaseAlgorithm], hyperparams: Mapping[str, Any]
) -> None:
    """
    :param algo: name of the algorithm
    :param algorithm: its class
    :param hyperparams: settings of a task
    :raises Sb3ScaleError: if one is an argument that only our algorithms have
    """
    if issubclass(algorithm, ScaleAlgorithm):
        return
    known = inspect.signature(algorithm.__init__).parameters
    for key in defaults(Options):
        if key in hyperparams and key not in known:
            raise Sb3ScaleError(
                f"{key} is {shown(hyperparams[key])}, and --algo {algo} does not know it; allowed "
                f"with policy: ScalePolicy and --algo {' or '.join(_able())}"
            )


def _able() -> list[str]:
    classes = ((name, each) for name, each in ALGOS.items() if isinstance(each, type))
    return [name for name, each in classes if issubclass(each, ScaleAlgorithm)]


def check_given_by_zoo(hyperparams: Mapping[str, Any]) -> None:
    """
    :param hyperparams: settings of a task
    :raises Sb3ScaleError: if one is an argument that RL-Zoo gives itself
    """
    for key, option in GIVEN_BY_ZOO.items():
        if key in hyperparams:
            raise Sb3ScaleError(
                f"{key} is {shown(hyperparams[key])} in the settings, and RL-Zoo gives it itself; "
                f"allowed: {option} on the command line"
            )


def check_values(hyperparams: Mapping[str, Any]) -> None:
    """
    :param hyperparams: settings of a task; a string that RL-Zoo evaluates is left to it
    :raises Sb3ScaleError: if the value of a key that RL-Zoo uses itself is wrong
    """
    for key, check in _CHECKS.items():
        if key in hyperparams:
            check(key, hyperparams[key])
    frames, normalize = hyperparams.get("frame_stack"), hyperparams.get("normalize")
    if normalize not in (None, False) and (frames or 1) > 1:
        raise Sb3ScaleError(
            f"frame_stack is {frames} and normalize is {shown(normalize)}, and a replay buffer "
            "would get frames before they are stacked; allowed: one of them"
        )
    check_noise(hyperparams)


def check_wrappers(hyperparams: Mapping[str, Any]) -> None:
    """
    :param hyperparams: settings of a task, whose wrappers are imported
    :raises Sb3ScaleError: if one cannot be imported, is of the other kind, or an argument is wrong
    """
    for key, wrong, instead in (
        ("env_wrapper", VecEnvWrapper, "vec_env_wrapper"),
        ("vec_env_wrapper", gymnasium.Wrapper, "env_wrapper"),
    ):
        for wrapper, arguments in notation.classes(key, hyperparams.get(key)):
            if isinstance(wrapper, type) and issubclass(wrapper, wrong):
                raise Sb3ScaleError(f"{key} has {wrapper.__name__}; allowed: under {instead}")
            check_arguments(f"{key}: {wrapper.__name__}", wrapper, arguments, passed=1)


def check_options(manager: Any) -> None:
    """
    :param manager: RL-Zoo's ``ExperimentManager``
    :raises Sb3ScaleError: if an option of its command line would stop a training later
    """
    least: dict[str, int] = {}
    if manager.eval_freq > 0 or manager.optimize_hyperparameters:
        least |= {"--eval-episodes": manager.n_eval_episodes, "--n-eval-envs": manager.n_eval_envs}
    if manager.optimize_hyperparameters:
        least |= {"--n-trials": manager.n_trials, "--n-jobs": abs(manager.n_jobs)}
        if manager.n_evaluations is not None:
            least["--n-evaluations"] = manager.n_evaluations
        if manager.max_total_trials is not None:
            least["--max-total-trials"] = manager.max_total_trials
    for option, value in least.items():
        if value < 1:
            raise Sb3ScaleError(f"{option} is {value}; allowed: at least 1")
    if manager.log_interval == 0:
        raise Sb3ScaleError("--log-interval is 0; allowed: at least 1, -1 as usual, -2 for no log")


def _whole(key: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise Sb3ScaleError(
            f"{key} is {shown(value)}; allowed: a whole number, at least 1{yaml_hint(value)}"
        )


def _number_of_envs(key: str, value: Any) -> None:
    _whole(key, value)
    if value > MOST_ENVS:
        raise Sb3ScaleError(f"{key} is {value}; allowed: at most {MOST_ENVS}")


def _steps(key: str, value: Any) -> None:
    # YAML has 1e5 as a fraction, and RL-Zoo makes it whole.
    _whole(key, whole_number(value))


def _learning_rate(key: str, value: Any) -> None:
    # Another prefix RL-Zoo would read as linear too, without a word.
    if isinstance(value, str) and not _LINEAR.fullmatch(value):
        raise Sb3ScaleError(
            f"{key} is {shown(value)}; allowed: a number, or 'lin_3e-4' for one that falls to 0"
        )


def _frames(key: str, value: Any) -> None:
    if value is not None:
        _whole(key, value)


def _noise_type(key: str, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, str) or not any(noise in value for noise in NOISES):
        raise Sb3ScaleError(f"{key} is {shown(value)}{suggestion(str(value), NOISES)}")


def _noise_std(key: str, value: Any) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 <= float(value) < inf:
        raise Sb3ScaleError(
            f"{key} is {shown(value)}; allowed: a number, at least 0{yaml_hint(value)}"
        )


_CHECKS: dict[str, Callable[[str, Any], None]] = {
    "n_envs": _number_of_envs,
    "n_timesteps": _steps,
    "frame_stack": _frames,
    "learning_rate": _learning_rate,
    "normalize": check_normalize,
    "monitor_kwargs": check_monitor,
    "noise_type": _noise_type,
    "noise_std": _noise_std,
}
