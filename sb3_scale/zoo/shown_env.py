"""The environment in which a trained policy is shown."""

from collections.abc import Callable, Mapping
from functools import partial, wraps
from importlib.util import find_spec
from typing import Any

import rl_zoo3
from rl_zoo3 import utils
from stable_baselines3.common.vec_env import VecEnv

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.recipes.environments import check_env_kwargs
from sb3_scale.zoo.configs import uses_scale_policy

_zoo_create = utils.create_test_env


def install() -> None:
    """Let RL-Zoo's ``enjoy`` and ``record_video`` make the environment of the training."""
    # The first asks the package for it, the second the module.
    rl_zoo3.create_test_env = utils.create_test_env = _create_test_env


@wraps(_zoo_create)
def _create_test_env(
    env_id: str,
    n_envs: int = 1,
    stats_path: str | None = None,
    *args: Any,
    hyperparams: dict[str, Any] | None = None,
    env_kwargs: dict[str, Any] | None = None,
    **kwargs: Any,
) -> VecEnv:
    if uses_scale_policy(hyperparams or {}):
        check_env_kwargs(env_id, env_kwargs or {})
        env_kwargs = {**_of_training(hyperparams or {}, stats_path), **(env_kwargs or {})}
    env: VecEnv = _zoo_create(
        env_id,
        n_envs,
        stats_path,
        *args,
        hyperparams=hyperparams,
        env_kwargs=env_kwargs,
        **kwargs,
    )
    if env.render_mode == "rgb_array" and find_spec("cv2") is None:
        env.render = partial(_render_without_window, env.render)  # type: ignore[method-assign]
    return env


def _of_training(hyperparams: Mapping[str, Any], stats_path: str | None) -> Mapping[str, Any]:
    """Arguments of the environment that the settings of a run have."""
    # RL-Zoo's enjoy takes them away from the settings, for those of the training's command alone.
    written = utils.get_saved_hyperparams(stats_path)[0] if stats_path else {}
    found = {**written, **hyperparams}.get("env_kwargs")
    return found if isinstance(found, Mapping) else {}


def _render_without_window(render: Callable[..., Any], mode: str | None = None) -> Any:
    if mode == "human":
        raise Sb3ScaleError(
            "the environment has render_mode 'rgb_array', whose pictures Stable-Baselines3 shows "
            "by OpenCV, which is not installed; allowed: pip install opencv-python, --no-render, "
            "or rl_zoo3.record_video"
        )
    return render(mode)
