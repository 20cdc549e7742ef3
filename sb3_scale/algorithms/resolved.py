"""What a model was built of, with all defaults written out: for people and their tables."""

import inspect
from collections.abc import Mapping
from enum import Enum
from typing import Any

from torch import nn

from sb3_scale.algorithms.base import ScaleAlgorithm
from sb3_scale.algorithms.same_parts import complete
from sb3_scale.plain import plain

_ELSEWHERE = {"self", "policy", "env", "policy_kwargs", "tensorboard_log", "verbose", "device"}
_ELSEWHERE |= {"_init_setup_model", "stats_window_size"}
"""Arguments that say nothing of what is trained, or are told apart."""

_PARTS = ("actor", "critic", "extractor")


def resolved(model: ScaleAlgorithm) -> dict[str, Any]:
    """
    :param model: with a ``ScalePolicy``
    :return: its algorithm, the value of each argument that it keeps, each part of the policy with
        the defaults of all its parameters, and how many ``parameters`` each network has, as plain
        data
    """
    arguments = inspect.signature(type(model).__init__).parameters.keys() - _ELSEWHERE
    policy = model.policy
    own: dict[str, Any] = {"loss": policy.critic.value.loss, "transforms": None}
    for name in ("actor_optimizer", "critic_optimizer"):
        own[name] = policy.parts["optimizer"]
    parts = {
        name: own[name] if part is None and name in own else part
        for name, part in policy.parts.items()
    }
    return {
        "algorithm": type(model).__name__,
        "n_envs": model.n_envs,
        **{name: _readable(vars(model)[name]) for name in sorted(arguments & vars(model).keys())},
        "policy_kwargs": {name: _readable(complete(name, part)) for name, part in parts.items()},
        "parameters": {name: _count(getattr(policy, name)) for name in _PARTS},
    }


def _count(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def _readable(value: Any) -> Any:
    value = plain(value)
    match value:
        case Enum():
            return _readable(value.value)
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): _readable(each) for key, each in value.items()}
        case list() | tuple():
            return [_readable(each) for each in value]
        case type():
            return value.__qualname__
    return " ".join(str(value).split())
