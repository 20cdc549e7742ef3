"""What can be wrong with the settings of collectors."""

import inspect
from collections.abc import Mapping
from typing import Any

import cloudpickle
import numpy as np

from sb3_scale.errors import Sb3ScaleError, shown


def check_at_least(least: float, **values: float) -> None:
    """
    :param least: allowed
    :param values: of parameters
    :raises Sb3ScaleError: if one is below, or not finite
    """
    for name, value in values.items():
        if not least <= value < float("inf"):
            raise Sb3ScaleError(f"{name} is {shown(value)}; allowed: at least {least:g}")


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


def picklable_specs(registry: Mapping[str, Any]) -> dict[str, Any]:
    """
    :param registry: of Gymnasium
    :return: environments that other processes may not know, as far as they can be sent
    """
    found = {}
    for name, spec in registry.items():
        if str(spec.entry_point).startswith("gymnasium."):
            continue
        try:
            cloudpickle.dumps(spec)
        except Exception:
            continue
        found[name] = spec
    return found
