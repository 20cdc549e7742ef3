"""How long each part of an update takes, without compilation."""

import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock

import numpy as np
import torch as th

from sb3_scale.algorithms import update

REST = "rest"
"""Figures and the Python around all parts."""

METHODS = {
    "sample": "sample",
    "next_actions": "next action",
    "evaluate_critics": "critics",
    "after_actor": "temperature",
    "sync_targets": "target sync",
}
"""Groups of :mod:`lib.counting` by the methods of the update that do their work."""

GRADIENTS = {"critic loss": "critic gradient", "actor loss": "actor gradient"}
"""What a gradient belongs to, by the method that asks for it."""


class Stopwatch:
    """
    Time spent in functions, each without the time of those that it calls.

    :param device: where the work is done
    """

    def __init__(self, device: th.device) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self._running = [REST]
        self._device = device
        self._since = time.perf_counter()

    def switch(self) -> str:
        """
        Book the time since the last switch.

        :return: what was running
        """
        if self._device.type == "cuda":
            th.cuda.synchronize()
        now = time.perf_counter()
        self.seconds[self._running[-1]] += now - self._since
        self._since = now
        return self._running[-1]

    def take(self) -> dict[str, float]:
        """
        :return: the time booked since the last call of this method
        """
        self.switch()
        taken = dict(self.seconds)
        self.seconds.clear()
        return taken

    def timed(
        self, function: Callable[..., Any], label: Callable[[str, tuple[Any, ...]], str]
    ) -> Callable[..., Any]:
        """
        :param function: to watch
        :param label: from what was running and the arguments to what runs now
        :return: the function under watch
        """

        def call(*args: Any, **kwargs: Any) -> Any:
            self._running.append(label(self.switch(), args))
            try:
                return function(*args, **kwargs)
            finally:
                self.switch()
                self._running.pop()

        return call


def part_times(model: Any, batch_size: int, seconds: float) -> dict[str, float]:
    """
    :param model: one of our algorithms with a filled buffer, neither compiled nor captured
    :param batch_size: transitions per gradient step
    :param seconds: how long to measure
    :return: seconds per gradient step of each group of :mod:`lib.counting` and of what it does not
        count: the median over the cycles of ``policy_delay`` steps
    """

    def of_step(running: str, args: tuple[Any, ...]) -> str:
        return "critic step" if args[0] is model.policy.critic else "actor step"

    def of_gradient(running: str, args: tuple[Any, ...]) -> str:
        return GRADIENTS.get(running, running)

    for _ in range(2 * model.policy_delay):
        model.train(gradient_steps=1, batch_size=batch_size)
    watch = Stopwatch(model.device)
    with ExitStack() as stack:

        def put(owner: Any, name: str, label: Callable[[str, tuple[Any, ...]], str]) -> None:
            timed = watch.timed(getattr(owner, name), label)
            stack.enter_context(mock.patch.object(owner, name, timed))

        for method, group in METHODS.items():
            put(model, method, lambda running, args, group=group: group)  # type: ignore[misc]
        put(update, "descend", of_step)
        losses = {
            part: watch.timed(function, lambda running, args, part=part: f"{part} loss")  # type: ignore[misc]
            for part, function in model._gradients.items()
        }
        stack.enter_context(mock.patch.dict(model._gradients, losses))
        put(th.autograd, "grad", of_gradient)
        end = time.perf_counter() + seconds
        watch.take()
        cycles: list[dict[str, float]] = []
        while not cycles or time.perf_counter() < end:
            for _ in range(model.policy_delay):
                model.train(gradient_steps=1, batch_size=batch_size)
            cycles.append(watch.take())
    return {
        group: float(np.median([cycle[group] for cycle in cycles])) / model.policy_delay
        for group in cycles[0]
    }
