"""Losses that are not numbers."""

import math
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch as th

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.learning.batch import Step


def check_finite(
    metrics: Mapping[str, float], n_updates: int, step: Step, folder: str | None
) -> None:
    """
    Stop at a loss that is not a number, and keep what led to it.

    :param metrics: means of the losses
    :param n_updates: gradient steps so far
    :param step: the last one, saved with ``torch.save``
    :param folder: where to save it, a temporary folder by default
    :raises Sb3ScaleError: if a metric is not finite
    """
    for name, value in metrics.items():
        if not math.isfinite(value):
            path = Path(folder or tempfile.mkdtemp()) / f"not_finite_{n_updates}.pt"
            computed = {key: found for key, found in vars(step).items() if key != "batch"}
            given = {**vars(step.batch), **computed}
            th.save({"metrics": dict(metrics), "batch": _plain(given)}, path)
            raise Sb3ScaleError(
                f"{name} is {value} at gradient step {n_updates}; the batch is saved in {path}"
            )


def _plain(value: Any) -> Any:
    """What ``torch.load`` reads by default."""
    if isinstance(value, Mapping):
        return {key: _plain(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return tuple(map(_plain, value))
    if isinstance(value, np.ndarray):
        return th.from_numpy(value)
    return value.detach().cpu() if isinstance(value, th.Tensor) else value
