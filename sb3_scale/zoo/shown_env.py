"""The environment in which a trained policy is shown."""

from collections.abc import Callable, Mapping
from functools import partial, wraps
from importlib.util import find_spec
from typing import Any

import rl_zoo3
from rl_zoo3 import utils
from stable_baselines3.common.vec_env import VecEnv

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.zoo.configs import uses_scale_policy

_zoo_create = utils.create_test_env


def install() -> None:
    """Let RL-Zoo's ``enjoy`` and ``record_video`` make the environment of the training."""
    # The first asks the package for it, the second the module.
    rl_zoo3.create_test_env = utils.create_test_env = _create_test_env


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
    if env.render_mode == "rgb_array" and find_spec("cv2") is None:
        env.render = partial(_render_without_window, env.render)  # type: ignore[method-assign]
    return env


def _render_without_window(render: Callable[..., Any], mode: str | None = None) -> Any:
    if mode == "human":
        raise Sb3ScaleError(
            "the environment has render_mode 'rgb_array', whose pictures Stable-Baselines3 shows "
            "by OpenCV, which is not installed; allowed: pip install opencv-python, --no-render, "
            "or rl_zoo3.record_video"
        )
    return render(mode)
