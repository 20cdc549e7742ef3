"""How many gradient steps settings ask for."""

from collections.abc import Mapping
from typing import Any


def per_decision(settings: Mapping[str, Any]) -> float:
    """
    :param settings: of an off-policy algorithm that learns in turns with its environments
    :return: once the training has begun; not a number where they are not counted by decisions
    """
    steps, every = settings.get("gradient_steps", 1), settings.get("train_freq", 1)
    if isinstance(every, (list, tuple)) and len(every) == 2 and every[1] == "step":
        every = every[0]
    n_envs = settings.get("n_envs", 1)
    if not all(isinstance(value, int) for value in (steps, every, n_envs)):
        return float("nan")
    if every < 1 or n_envs < 1:
        return float("nan")
    # A negative number stands for as many as there were decisions.
    return 1.0 if steps < 0 else float(steps / (every * n_envs))
