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
        kind = name.rpartition("_")[2] if name.endswith("_optimizer") else name
        if complete(kind, have) != complete(kind, want):
            raise Sb3ScaleError(
                f"policy_kwargs: {name} is {want!r}, and {where} has {have!r}; allowed: the same, "
                "or a new training"
            )


def complete(kind: str, part: Any) -> Any:
    """
    :param kind: its kind, or the name of a parameter that may be a part
    :param part: as settings have it
    :return: the same with the defaults of all its parameters, and those of the parts within
    """
    if kind == "transforms":
        return [complete("transform", each) for each in part or ()]
    if kind not in KINDS or not isinstance(part, (str, Mapping)):
        return part
    spec = spec_of(kind, part)
    given = {} if isinstance(part, str) else part
    values = {name: given.get(name, each.default) for name, each in parameters(spec).items()}
    return {"name": spec.name, **{name: complete(name, each) for name, each in values.items()}}
