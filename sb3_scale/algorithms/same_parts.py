"""Whether settings name the parts that a checkpoint has."""

import inspect
from collections.abc import Mapping
from typing import Any

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.parts import parameters, spec_of
from sb3_scale.policies import ScalePolicy
from sb3_scale.specs import KINDS


def check_same_parts(stored: Mapping[str, Any], given: Mapping[str, Any], where: str) -> None:
    """
    :param stored: arguments of the policy in a checkpoint
    :param given: those of the user, completed by the algorithm
    :param where: the checkpoint is, for the message
    :raises Sb3ScaleError: if they make different policies
    """
    for name, parameter in inspect.signature(ScalePolicy).parameters.items():
        have, want = (each.get(name, parameter.default) for each in (stored, given))
        if complete(name, have) != complete(name, want):
            raise Sb3ScaleError(
                f"policy_kwargs: {name} is {want!r}, and {where} has {have!r}; allowed: the same, "
                "or a new training"
            )


def complete(name: str, part: Any) -> Any:
    """
    :param name: its kind, or that of a parameter that may be a part
    :param part: as settings have it
    :return: the same with the defaults of all its parameters, and those of the parts within
    """
    kind = "optimizer" if name.endswith("_optimizer") else name
    if kind == "transforms":
        return [complete("transform", each) for each in part or ()]
    if kind not in KINDS or not isinstance(part, (str, Mapping)):
        return part
    spec = spec_of(kind, part)
    given = {} if isinstance(part, str) else part
    values = {key: given.get(key, each.default) for key, each in parameters(spec).items()}
    return {"name": spec.name, **{key: complete(key, each) for key, each in values.items()}}
