"""How long each part of an update takes, without compilation."""

import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest import mock

import numpy as np
import torch as th

REST = "rest"
"""Metrics and the Python around all parts."""

GRADIENTS = {"critic loss": "critic gradient", "actor loss": "actor gradient"}
"""What a gradient belongs to, by what asks for it."""

GROUPS = {"ent_coef": ("temperature", "temperature")}
"""Loss and step of learners whose parts are not counted one by one."""

Label = Callable[[str], str]
"""From what was running to what runs now, a group of :mod:`lib.counting`."""


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

    def timed(self, function: Callable[..., Any], label: Label) -> Callable[..., Any]:
        """
        :param function: to watch
        :param label: of it
        :return: the function under watch
        """

        def call(*args: Any, **kwargs: Any) -> Any:
            self._running.append(label(self.switch()))
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
    training = model.training
    for _ in range(2 * model.policy_delay):
        model.train(gradient_steps=1, batch_size=batch_size)
    watch = Stopwatch(model.device)
    with ExitStack() as stack:

        def put(owner: Any, name: str, label: Label) -> None:
            timed = watch.timed(getattr(owner, name), label)
            stack.enter_context(mock.patch.object(owner, name, timed))

        put(training, "sample", lambda _: "sample")
        put(training.actor_critic, "next_actions", lambda _: "next action")
        put(training.actor_critic, "evaluate", lambda _: "critics")
        for learner in model.learners:
            loss, step = GROUPS.get(learner.name, (f"{learner.name} loss", f"{learner.name} step"))
            put(learner, "compute", lambda _, loss=loss: loss)  # type: ignore[misc]
            put(learner, "step", lambda _, step=step: step)  # type: ignore[misc]
        for target in training.update.targets:
            put(target, "follow", lambda _: "target sync")
        put(th.autograd, "grad", lambda running: GRADIENTS.get(running, running))
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
