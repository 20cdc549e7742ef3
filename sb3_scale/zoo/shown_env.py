"""The environment in which a trained policy is shown."""

from collections.abc import Mapping
from functools import wraps
from typing import Any

from rl_zoo3 import utils
from stable_baselines3.common.vec_env import VecEnv

from sb3_scale.zoo.configs import uses_scale_policy

_zoo_create = utils.create_test_env


def install() -> None:
    """Let RL-Zoo's ``record_video`` make the environment of the training."""
    utils.create_test_env = _create_test_env


@wraps(_zoo_create)
def _create_test_env(
    env_id: str,
    *args: Any,
    hyperparams: dict[str, Any] | None = None,
    env_kwargs: dict[str, Any] | None = None,
    **kwargs: Any,
) -> VecEnv:
    # RL-Zoo's enjoy reads these arguments of a run, its record_video those of the command alone.
    saved = (hyperparams or {}).get("env_kwargs")
    if isinstance(saved, Mapping) and uses_scale_policy(hyperparams or {}):
        env_kwargs = {**saved, **(env_kwargs or {})}
    env: VecEnv = _zoo_create(
        env_id, *args, hyperparams=hyperparams, env_kwargs=env_kwargs, **kwargs
    )
    return env
