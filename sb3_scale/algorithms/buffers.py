"""Which replay buffer an algorithm has, and when it is made anew."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from stable_baselines3.common.buffers import NStepReplayBuffer
from stable_baselines3.common.preprocessing import get_action_dim, get_obs_shape

from sb3_scale.action_spaces import has_whole_actions
from sb3_scale.execution.allocator import fresh_pages
from sb3_scale.notices import notice
from sb3_scale.parts import resolve
from sb3_scale.plain import plain
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.replay.hindsight import HindsightStorage
from sb3_scale.replay.memory import check_host

RETURNS = ("n_steps", "gamma")
"""What returns over several steps are made of."""


def choose_replay_buffer(model: Any) -> None:
    """
    Find one by its name; ours stands where Stable-Baselines3 would take its plain one.

    :param model: the algorithm, before its setup
    """
    if (
        model.replay_buffer_class is None
        and model.scaled
        and isinstance(model.observation_space, (spaces.Box, spaces.Dict))
        and model.n_steps == 1
        and not model.optimize_memory_usage
    ):
        model.replay_buffer_class = "compact"
    model.replay_buffer_kwargs = {
        key: plain(value) if isinstance(value, np.generic) else value
        for key, value in model.replay_buffer_kwargs.items()
    }
    if isinstance(model.replay_buffer_class, str):
        part = {"name": model.replay_buffer_class, **model.replay_buffer_kwargs}
        model.replay_buffer_class, _, _ = resolve("replay-buffer", part)
    kind = model.replay_buffer_class
    ours = isinstance(kind, type) and issubclass(kind, CompactReplayBuffer)
    ours = ours and not issubclass(kind, HindsightStorage)
    if ours and model.scaled and model.n_steps > 1:
        # What Stable-Baselines3 gives its own buffer for returns over several steps.
        returns = {"n_steps": model.n_steps, "gamma": model.gamma}
        model.replay_buffer_kwargs = {**returns, **model.replay_buffer_kwargs}


def changed_returns(given: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """
    Have the buffer of a checkpoint follow another ``n_steps`` or ``gamma``, which its stored
    arguments repeat.

    :param given: attributes that the user gives in place of the file's
    :param stored: attributes of the file
    :return: those of the buffer that follow from them, nothing where the user gives its arguments
    """
    kwargs = stored.get("replay_buffer_kwargs") or {}
    changed = {key: given[key] for key in RETURNS if key in given}
    if not changed or "replay_buffer_kwargs" in given:
        return {}
    stock = stored.get("replay_buffer_class") is NStepReplayBuffer
    if stock and "n_steps" in changed and "replay_buffer_class" not in given:
        # Chosen for several steps, so chosen anew.
        others = {key: value for key, value in kwargs.items() if key not in RETURNS}
        return {"replay_buffer_class": None, "replay_buffer_kwargs": others}
    repeated = {key: value for key, value in changed.items() if key in kwargs}
    return {"replay_buffer_kwargs": {**kwargs, **repeated}} if repeated else {}


def fill_up_replay_buffer(model: Any) -> bool:
    """
    Make the buffer in its full size, where a model that was loaded for prediction has a tiny one.

    :param model: the algorithm, with its environments
    :return: whether it was made
    """
    buffer = model.replay_buffer
    # Any other one was loaded or put there by the user.
    if buffer is None or buffer is not vars(model).pop("tiny_replay_buffer", None):
        return False
    with fresh_pages():
        model.replay_buffer = type(buffer)(
            model.buffer_size,
            model.observation_space,
            model.action_space,
            device=model.device,
            n_envs=model.n_envs,
            optimize_memory_usage=model.optimize_memory_usage,
            **model.replay_buffer_kwargs,
        )
    hold_scaled_actions(model)
    tell_of_replay_buffer(model)
    return True


def check_buffer_memory(model: Any) -> None:
    """
    Those of Stable-Baselines3 warn, and take memory that is not there when it is first written.

    :param model: the algorithm, before its replay buffer is made; ``compact`` checks its own
    :raises Sb3ScaleError: if there is not enough memory
    """
    kind = model.replay_buffer_class
    if isinstance(kind, type) and issubclass(kind, CompactReplayBuffer):
        return
    copies = 1 if model.optimize_memory_usage else 2
    check_host("buffer_size", model.buffer_size, _transition_bytes(model, copies))


def check_batch_memory(model: Any) -> None:
    """
    :param model: the algorithm
    :raises Sb3ScaleError: if there is not enough memory for one batch
    """
    check_host("batch_size", model.batch_size, _transition_bytes(model, 2))


def _transition_bytes(model: Any, observations: int) -> int:
    space = model.observation_space
    boxes = space.spaces.values() if isinstance(space, spaces.Dict) else [space]
    shapes: Any = [get_obs_shape(box) for box in boxes]
    widths = zip(shapes, boxes, strict=True)
    each = sum(math.prod(shape) * np.dtype(box.dtype).itemsize for shape, box in widths)
    return int(observations * each) + 4 * get_action_dim(model.action_space) + 12


def hold_scaled_actions(model: Any) -> None:
    """
    Give a buffer of Stable-Baselines3 room for fractions: it takes the type of whole actions, which
    are stored scaled to [-1, 1].

    :param model: the algorithm, with an empty replay buffer
    """
    buffer = model.replay_buffer
    if isinstance(buffer, CompactReplayBuffer):
        return
    if model.scaled and has_whole_actions(model.action_space):
        buffer.actions = buffer.actions.astype(np.float32)


def tell_of_replay_buffer(model: Any) -> None:
    """
    Say how much memory it takes, and where.

    :param model: the algorithm
    """
    if model.verbose >= 1 and isinstance(model.replay_buffer, CompactReplayBuffer):
        notice(model.replay_buffer.summary())
