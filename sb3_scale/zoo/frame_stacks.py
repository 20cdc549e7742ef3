"""``frame_stack`` beside a task or a wrapper that stacks its frames itself."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from sb3_scale.algorithms.stacked_frames import LENGTHS, check_once
from sb3_scale.recipes.registered import parameters_of
from sb3_scale.zoo import notation

KEYS = ("env_wrapper", "vec_env_wrapper")
"""Settings that name wrappers."""


def check_stacked_once(
    env_id: str, env_kwargs: Mapping[str, Any], hyperparams: Mapping[str, Any]
) -> None:
    """
    :param env_id: a task that Gymnasium knows
    :param env_kwargs: arguments for it
    :param hyperparams: settings of the task, checked; its wrappers are imported
    :raises Sb3ScaleError: if more than one of the task, its wrappers and RL-Zoo would stack frames
    """
    stacks = [
        *_lengths(f"'{env_id}'", parameters_of(env_id), env_kwargs),
        *(found for entry in _wrappers(hyperparams) for found in _lengths(*entry)),
    ]
    frames = hyperparams.get("frame_stack") or 1
    if frames > 1:
        stacks.append(f"frame_stack: {frames}")
    check_once(stacks)


def _wrappers(hyperparams: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any], Any]]:
    for key in KEYS:
        for wrapper, arguments in notation.classes(key, hyperparams.get(key)):
            yield wrapper.__name__, inspect.signature(wrapper).parameters, arguments


def _lengths(
    owner: str, parameters: Mapping[str, inspect.Parameter], arguments: Mapping[str, Any]
) -> Iterator[str]:
    """
    :param owner: of the parameters, for the message
    :param parameters: that it has
    :param arguments: that it is given
    :return: what it stacks, if it does
    """
    for name in LENGTHS:
        if name in parameters:
            length = arguments.get(name, parameters[name].default)
            if isinstance(length, int) and length > 1:
                yield f"{owner} with {name} {length}"
