"""A second environment like the one that is trained on."""

from copy import copy
from dataclasses import replace
from typing import Any

import gymnasium
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecEnv,
    VecEnvWrapper,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
    VecTransposeImage,
    VecVideoRecorder,
)

from sb3_scale.collection.time_limits import gymnasium_spec
from sb3_scale.errors import Sb3ScaleError

LOOKING_ON = (
    "stable_baselines3.common.monitor:Monitor",
    "gymnasium.wrappers.rendering:RecordVideo",
)
LEARNING = ("NormalizeObservation", "NormalizeReward")
"""Wrappers of Gymnasium with statistics of their own."""

RECORDERS = (VecMonitor, VecVideoRecorder)
"""Wrappers of one environment, and of several, that only look on."""

DRAWN = "rgb_array"
"""The render mode that draws nothing before a wrapper asks it to."""


def evaluation_env(training_env: VecEnv) -> VecEnv:
    """
    Make the first environment again, from its Gymnasium spec, within the same wrappers.

    Observations and rewards are normalised by the statistics of the training as they are at each
    step, which the new environment does not change.

    :param training_env: what the model trains on
    :return: a vector of one environment
    :raises Sb3ScaleError: if the environment or a wrapper cannot be made again
    """
    wrappers: list[VecEnvWrapper] = []
    while isinstance(training_env, VecEnvWrapper):
        wrappers.append(training_env)
        training_env = training_env.venv
    spec = _spec(training_env)
    env: VecEnv = DummyVecEnv([lambda: gymnasium.make(spec, disable_env_checker=True)])
    for wrapper in reversed(wrappers):
        env = _wrap_again(env, wrapper)
    return env


def _spec(env: VecEnv) -> Any:
    spec = gymnasium_spec(env)
    if spec is None:
        raise Sb3ScaleError(
            f"{type(env).__name__} has no Gymnasium spec to make a second environment from; "
            "allowed: environments of gymnasium.make"
        )
    wrappers = [each for each in spec.additional_wrappers if each.entry_point not in LOOKING_ON]
    for wrapper in wrappers:
        if wrapper.name in LEARNING and wrapper.entry_point.startswith("gymnasium."):
            raise Sb3ScaleError(
                f"{spec.id} cannot be made a second time: its wrapper {wrapper.name} would begin "
                "with statistics of its own; allowed: VecNormalize, which is normalize: true in a "
                "file of settings"
            )
        if wrapper.kwargs is None:
            raise Sb3ScaleError(
                f"{spec.id} cannot be made a second time: its wrapper {wrapper.name} keeps no "
                "record of its arguments; allowed: wrappers derived from "
                "gymnasium.utils.RecordConstructorArgs"
            )
    kwargs = {
        key: value for key, value in spec.kwargs.items() if key != "render_mode" or value == DRAWN
    }
    return replace(spec, additional_wrappers=tuple(wrappers), kwargs=kwargs)


def _wrap_again(env: VecEnv, wrapper: VecEnvWrapper) -> VecEnv:
    if isinstance(wrapper, RECORDERS):
        return env
    if isinstance(wrapper, VecNormalize):
        same = copy(wrapper)
        same.set_venv(env)
        same.training = False
        return same
    if isinstance(wrapper, VecTransposeImage):
        return VecTransposeImage(env)
    if isinstance(wrapper, VecFrameStack):
        stacked = VecFrameStack(env, wrapper.stacked_obs.n_stack)
        if stacked.observation_space == wrapper.observation_space:
            return stacked
    raise Sb3ScaleError(
        f"the wrapper {type(wrapper).__name__} cannot be made a second time; allowed: "
        "VecNormalize, VecTransposeImage, VecMonitor, VecVideoRecorder, and VecFrameStack with "
        "its default channels_order"
    )
