"""Figures of a training call, kept on the device until its end."""

import math
import tempfile
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch as th

from sb3_scale.errors import Sb3ScaleError


class Metrics:
    """Collects scalars of gradient steps and reads their means in one transfer."""

    def __init__(self) -> None:
        self._values: dict[str, list[th.Tensor]] = {}

    def update(self, figures: Mapping[str, th.Tensor]) -> None:
        """
        :param figures: scalars by name, on any device, read later
        """
        for name, value in figures.items():
            self._values.setdefault(name, []).append(value.detach())

    def means(self) -> dict[str, float]:
        """
        :return: mean of each figure, read from the device at once
        """
        if not self._values:
            return {}
        numbers = iter(th.stack([each for all_ in self._values.values() for each in all_]).tolist())
        return {
            name: sum(islice(numbers, len(values))) / len(values)
            for name, values in self._values.items()
        }


def check_finite(
    figures: Mapping[str, float], n_updates: int, batch: Mapping[str, Any], folder: str | None
) -> None:
    """
    Stop at a loss that is not a number, and keep what led to it.

    :param figures: means of the losses
    :param n_updates: gradient steps so far
    :param batch: the last replay batch, saved with ``torch.save``
    :param folder: where to save it, a temporary folder by default
    :raises Sb3ScaleError: if a figure is not finite
    """
    for name, value in figures.items():
        if not math.isfinite(value):
            path = Path(folder or tempfile.mkdtemp()) / f"not_finite_{n_updates}.pt"
            th.save({"figures": dict(figures), "batch": _plain(batch)}, path)
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
