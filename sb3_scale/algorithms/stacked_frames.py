"""Environments whose frames are stacked, and shall be once."""

from collections.abc import Sequence
from typing import Any

from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper, VecFrameStack

from sb3_scale.errors import Sb3ScaleError

LENGTHS = ("frame_stack", "stack_size", "n_stack")
"""What a class calls the number of frames that it stacks."""


def check_once(stacks: Sequence[str]) -> None:
    """
    :param stacks: what stacks frames, in words
    :raises Sb3ScaleError: if that is more than one
    """
    if len(stacks) > 1:
        raise Sb3ScaleError(
            f"frames would be stacked by {' and by '.join(stacks)}; allowed: one of them, the "
            "others 1"
        )


def check_stacked_once(model: Any) -> None:
    """
    :param model: with its environments
    :raises Sb3ScaleError: if a ``VecFrameStack`` is around environments that stack images too
    """
    env: VecEnv = model.env
    stacks, layer = [], env
    while isinstance(layer, VecEnvWrapper):
        if isinstance(layer, VecFrameStack) and layer.stacked_obs.n_stack > 1:
            stacks.append(f"VecFrameStack with n_stack {layer.stacked_obs.n_stack}")
        layer = layer.venv
    if stacks and _has_images(env.observation_space):
        for name in LENGTHS:
            length = env.get_attr(name, 0)[0] if env.has_attr(name) else 1
            if isinstance(length, int) and length > 1:
                stacks.append(f"the environment with {name} {length}")
    check_once(stacks)


def _has_images(space: "spaces.Space[Any]") -> bool:
    inner = space.spaces.values() if isinstance(space, spaces.Dict) else (space,)
    return any(len(each.shape or ()) == 3 for each in inner)
