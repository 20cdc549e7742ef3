"""How many gradient steps settings ask for."""

import inspect
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from typing import Any

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.parts import load_target
from sb3_scale.plugins import manager


def per_decision(algo: str, settings: Mapping[str, Any]) -> float:
    """
    :param algo: name of an off-policy algorithm that learns in turns with its environments
    :param settings: of it; what they leave out is the algorithm's own default
    :return: once the training has begun; not a number where they are not counted by decisions
    """
    steps, every = (
        settings[key] if key in settings else _default(algo, key)
        for key in ("gradient_steps", "train_freq")
    )
    if isinstance(every, (list, tuple)) and len(every) == 2 and every[1] == "step":
        every = every[0]
    n_envs = settings.get("n_envs", 1)
    if not all(isinstance(value, int) for value in (steps, every, n_envs)):
        return float("nan")
    if every < 1 or n_envs < 1:
        return float("nan")
    # A negative number stands for as many as there were decisions.
    return 1.0 if steps < 0 else float(steps / (every * n_envs))


@cache
def _default(algo: str, key: str) -> Any:
    """Of the algorithm's argument; 1, as most have it, where nobody knows the algorithm."""
    from rl_zoo3 import ALGOS

    found = ALGOS.get(algo)
    if found is None:
        offers = (spec for _, spec in manager().specs("algorithm") if spec.name == algo)
        # That of a plugin that is out of order is not known either.
        with suppress(Sb3ScaleError):
            found = next(map(load_target, offers), None)
    known = inspect.signature(found).parameters if isinstance(found, type) else {}
    return known[key].default if key in known else 1
