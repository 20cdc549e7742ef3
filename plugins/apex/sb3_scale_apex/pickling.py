"""What of an environment cannot be sent to other processes."""

import functools
import inspect
from collections.abc import Mapping
from typing import Any

import cloudpickle

from sb3_scale.errors import Sb3ScaleError

DEEP = 8
"""Levels of parts within parts that are searched for what cannot be sent."""


def check_picklable(name: str, value: Any) -> None:
    """
    :param name: of it, for the message
    :param value: to be sent
    :raises Sb3ScaleError: if it cannot be, with the name of the part that cannot
    """
    try:
        cloudpickle.dumps(value)
    # Whatever an environment's own code raises.
    except Exception as error:
        where = _culprit(value, DEEP)
        part = f", its {' of '.join(map(repr, where))}" if where else ""
        raise Sb3ScaleError(
            f"{name} cannot be sent to collectors{part}: {error}; allowed: what can be pickled"
        ) from None


def _culprit(value: Any, deep: int) -> list[str]:
    """Names of parts, the innermost first, down to the one that cannot be pickled."""
    for name, part in _parts(value).items() if deep else ():
        try:
            cloudpickle.dumps(part)
        except Exception:
            return [*_culprit(part, deep - 1), str(name)]
    return []


def _parts(value: Any) -> Mapping[Any, Any]:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, functools.partial):
        return dict(enumerate(value.args)) | value.keywords
    if inspect.isfunction(value):
        return inspect.getclosurevars(value).nonlocals
    found: Mapping[str, Any] = getattr(value, "__dict__", {})
    return found
