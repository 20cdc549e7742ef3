"""What can be wrong with the settings of a training, found before any of them starts."""

import json
from functools import cache
from typing import Any

import gymnasium
import rl_zoo3
from gymnasium import spaces

from sb3_scale.algorithms.checks import check_actor
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.policies import ScalePolicy
from sb3_scale.zoo import configs
from sb3_scale.zoo.env_kwargs import check_env_kwargs

Settings = dict[str, Any]

RESHAPING = {"env_wrapper", "frame_stack", "vec_env_wrapper"}
"""Settings that change what an agent observes or does."""


def check_settings(algo: str, env_id: str, settings: Settings) -> None:
    """
    Check keys and types, and build the networks once for the spaces of the task.

    Networks are not built behind a wrapper, and stock policies are left to Stable-Baselines3.

    :param algo: name of the algorithm
    :param env_id: the task
    :param settings: of the task
    :raises Sb3ScaleError: if a key, a value or a part is wrong
    """
    algorithm = rl_zoo3.ALGOS[algo]
    scale = configs.uses_scale_policy(settings)
    policy_kwargs = settings.get("policy_kwargs") or {}
    if scale and not hasattr(algorithm, "default_parts"):
        able = [name for name, each in rl_zoo3.ALGOS.items() if hasattr(each, "default_parts")]
        raise Sb3ScaleError(f"--algo {algo} does not train ScalePolicy; allowed: {', '.join(able)}")
    if not scale:
        settings = {**settings, "policy_kwargs": {}}
    configs.check(algo, algorithm, settings)
    check_env_kwargs(env_id, settings.get("env_kwargs") or {})
    if scale and isinstance(policy_kwargs, dict) and not RESHAPING & settings.keys():
        observations, actions = _spaces(env_id, json.dumps(settings.get("env_kwargs") or {}))
        parts = {**algorithm.default_parts, **policy_kwargs}
        policy = ScalePolicy(observations, actions, lambda _: 1e-3, **parts)
        check_actor(f"--algo {algo}", policy, algorithm.stochastic_actor)


@cache
def _spaces(env_id: str, env_kwargs: str) -> tuple[spaces.Space[Any], Any]:
    try:
        env = gymnasium.make(env_id, **json.loads(env_kwargs))
    except Exception as error:
        raise Sb3ScaleError(f"'{env_id}' with env_kwargs {env_kwargs}: {error}") from error
    try:
        return env.observation_space, env.action_space
    finally:
        env.close()
