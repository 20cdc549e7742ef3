"""What can be wrong with the settings of collectors."""

import inspect
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import cloudpickle
import numpy as np
from gymnasium import spaces

from sb3_scale.actions import is_discrete
from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.replay.weighted import has_priorities


def check_buffer(buffer: Any, judged: bool) -> None:
    """
    :param buffer: the replay buffer
    :param judged: whether collectors compute priorities
    :raises Sb3ScaleError: if collectors cannot fill it
    """
    kind = type(buffer).__name__
    if not isinstance(buffer, CompactReplayBuffer):
        raise Sb3ScaleError(
            f"collectors fill replay buffers of streams, and {kind} is none; allowed as "
            "replay_buffer_class: compact, frames, prioritized, prioritized-frames, or classes "
            "derived from CompactReplayBuffer"
        )
    if isinstance(buffer.observation_space, spaces.Dict):
        raise Sb3ScaleError(
            "observations are a Dict, and collectors send one array; allowed with them: Box, such "
            "as gymnasium.wrappers.FlattenObservation makes"
        )
    if judged and not has_priorities(type(buffer)):
        raise Sb3ScaleError(
            f"first_priorities is 'td-error', and {kind} has no priorities; allowed: 'greatest', "
            "or replay_buffer_class: prioritized"
        )


def check_length(fragment_length: int, buffer: Any) -> None:
    """
    :param fragment_length: decisions of each environment in a fragment
    :param buffer: the replay buffer
    :raises Sb3ScaleError: if it does not hold as many
    """
    if fragment_length > buffer.buffer_size:
        raise Sb3ScaleError(
            f"fragment_length is {fragment_length}, and the replay buffer holds "
            f"{buffer.buffer_size} transitions of each environment; allowed: at most as many"
        )


def check_noise(noise: list[float] | None, action_noise: Any) -> None:
    """
    :param noise: of the collectors
    :param action_noise: of the algorithm
    :raises Sb3ScaleError: if there are both
    """
    if noise is not None and action_noise is not None:
        raise Sb3ScaleError(
            f"noise is {shown(noise)}, and the algorithm has action_noise {shown(action_noise)}; "
            "allowed: one of them"
        )


def check_exploration(
    noise: list[float] | None, spread: list[float] | None, action_space: spaces.Space[Any]
) -> None:
    """
    :param noise: of the collectors
    :param spread: of the collectors
    :param action_space: of the environments
    :raises Sb3ScaleError: if there is one of them for actions that cannot be moved
    """
    for name, ends in (("noise", noise), ("spread", spread)):
        if ends is not None and is_discrete(action_space):
            raise Sb3ScaleError(
                f"{name} of the collectors is {shown(ends)}, and the action space is "
                f"{action_space}; allowed: nothing, since discrete actions cannot be moved"
            )


def check_transforms(model: Any) -> None:
    """
    :param model: with its policy
    :raises Sb3ScaleError: if a transform looks at rewards of all environments at once
    """
    parts = model.policy.parts["transforms"] or ()
    for transform, part in zip(model.policy.transforms, parts, strict=True):
        try:
            inspect.signature(transform.observe).bind(None, None, np.zeros(1))
            inspect.signature(transform.restart).bind(np.zeros(1))
        except TypeError:
            raise Sb3ScaleError(
                f"transform {shown(part)} looks at all environments at once, and collectors send "
                "some at a time; allowed: observe(self, rewards, dones, streams=None) and "
                "restart(self, streams=None)"
            ) from None


def pickled_specs(registry: Mapping[str, Any]) -> dict[str, bytes]:
    """
    :param registry: of Gymnasium
    :return: environments that other processes may not know, as far as they can be sent
    """
    found = {}
    for name, spec in registry.items():
        if str(spec.entry_point).startswith("gymnasium."):
            continue
        # One that cannot be sent may be known there, or not be the one that is trained on.
        with suppress(Exception):
            found[name] = cloudpickle.dumps(spec)
    return found
