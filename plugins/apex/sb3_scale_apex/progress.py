"""What is told of the collectors while they work."""

import time
from collections.abc import Iterator
from typing import Any

from stable_baselines3.common.callbacks import (
    BaseCallback,
    CallbackList,
    EventCallback,
    ProgressBarCallback,
)

from sb3_scale_apex.fleet import Fleet
from sb3_scale_apex.fragments import Fragment

SMOOTHING = 0.1
"""Weight of a new fragment in running means."""


class Progress:
    """
    Tells the logger and the progress bar of the collectors, under ``collectors/``.

    ``alive`` and ``restarts`` are counts; ``decisions_per_second`` is that of all since
    ``learn`` began, ``collector_rate`` that of one while it acts; ``weight_age`` is how many
    gradient steps old the weights were that chose actions, when these were taken; ``queue`` counts
    fragments that were asked for and not taken; ``updates_per_decision`` is that of ``learn`` so
    far; and ``waited`` the share of time in which the learner waited.

    :param model: the algorithm
    :param callback: all callbacks of the training
    :param fleet: the collectors
    """

    def __init__(self, model: Any, callback: BaseCallback, fleet: Fleet) -> None:
        self._model = model
        self._bars = list(_bars(callback))
        self._fleet = fleet
        self._begun = time.perf_counter()
        self._waited = 0.0
        self._decisions = 0
        self._updates = model._n_updates
        self._age: float | None = None
        self._rate: float | None = None

    def waited(self, seconds: float) -> None:
        """
        :param seconds: that the learner waited
        """
        self._waited += seconds

    def took(self, fragment: Fragment) -> None:
        """
        :param fragment: that the learner took
        """
        model, elapsed = self._model, time.perf_counter() - self._begun
        decisions = fragment.steps * fragment.envs
        self._decisions += decisions
        self._age = _smoothed(self._age, model._n_updates - fragment.updates)
        self._rate = _smoothed(self._rate, decisions / max(fragment.seconds, 1e-9))
        told = {
            "alive": self._fleet.alive,
            "restarts": self._fleet.restarts,
            "decisions_per_second": self._decisions / elapsed,
            "collector_rate": self._rate,
            "weight_age": self._age,
            "queue": self._fleet.waiting,
            "updates_per_decision": (model._n_updates - self._updates) / self._decisions,
            "waited": self._waited / elapsed,
        }
        for name, value in told.items():
            model.logger.record(f"collectors/{name}", value)
        for bar in self._bars:
            bar.pbar.set_postfix_str(
                f"{told['alive']} collectors, {told['decisions_per_second']:.0f}/s, weights "
                f"{self._age:.0f} steps old, queue {told['queue']}, "
                f"{told['updates_per_decision']:.2g} updates per decision",
                refresh=False,
            )


def _smoothed(before: float | None, value: float) -> float:
    return float(value) if before is None else before + SMOOTHING * (value - before)


def _bars(callback: BaseCallback) -> Iterator[ProgressBarCallback]:
    if isinstance(callback, CallbackList):
        for each in callback.callbacks:
            yield from _bars(each)
    elif isinstance(callback, EventCallback) and callback.callback is not None:
        yield from _bars(callback.callback)
    elif isinstance(callback, ProgressBarCallback):
        yield callback
