"""Whether the losses of a training are compiled: as asked, or where that earns its time."""

import math
import threading
from typing import TYPE_CHECKING

from sb3_scale.execution.compiled import missing_compiler
from sb3_scale.notices import notice

if TYPE_CHECKING:
    from sb3_scale.algorithms.base import ScaleAlgorithm

EARNED_AFTER = 20_000
"""
Gradient steps after which compiled losses have saved what compiling them took, see docs/speed.md.

A number of steps and no time: a slow machine is slow in both, and one seed gives one training.
"""

EAGER_FIRST = 1_000
"""Gradient steps of ``learn`` before the compiler: what is stopped early does not wait for it."""


class Compilation:
    """
    Decides between two ``train`` calls of ``learn``, once for each binding of the learners.

    :param model: the algorithm, whose ``compile`` is true, false or ``"auto"``
    """

    def __init__(self, model: "ScaleAlgorithm") -> None:
        self.model = model
        self.on = model.compile is True
        self.asked = self.on
        self._auto = model.compile == "auto"
        self._learning = False
        self._open = False
        self._lost = 0
        self._begin = 0

    def start(self) -> None:
        """Called when ``learn`` begins."""
        self._learning = True
        self._open = self._auto and not self.on
        self._begin = self.model._n_updates

    def stop(self) -> None:
        """Called when ``learn`` ends: gradient steps outside of it compile nothing."""
        self._learning = self._open = False

    def unbind(self) -> None:
        """What was compiled is of no use any more. It must be earned as well as what comes next."""
        if self._auto and self.on:
            self.on = False
            self._open = self._learning
            self._lost += 1

    def begins(self, gradient_steps: int, at_once: bool) -> bool:
        """
        :param gradient_steps: of the ``train`` call that follows
        :param at_once: whether to begin before the first gradient step, as with a pre-training
        :return: whether losses are compiled from now on, and were not before
        """
        if not self._open:
            return False
        model = self.model
        to_come, needed = steps_to_come(model, gradient_steps), EARNED_AFTER * (1 + self._lost)
        obstacle = None
        if to_come < needed:
            obstacle = f"fewer than the {needed} that earn the compiler's time"
        elif not at_once and model._n_updates - self._begin < EAGER_FIRST:
            return False
        elif threading.current_thread() is not threading.main_thread():
            # PyTorch 2.13 compiles again and again what several threads train at once.
            obstacle = "but this is not the main thread"
        elif missing := missing_compiler(model.device):
            obstacle = f"but there is no C++ compiler {missing}"
        self._open = False
        self.on = obstacle is None
        if model.verbose >= 1:
            why = obstacle or f"and {needed} earn the compiler's time"
            how = "compiled" if self.on else "eager"
            notice(f"compile: auto: {how}, {to_come} gradient steps to come, {why}")
        return self.on


def steps_to_come(model: "ScaleAlgorithm", gradient_steps: int) -> int:
    """
    :param model: within ``learn``
    :param gradient_steps: of the ``train`` call that follows
    :return: gradient steps until the end of ``learn``, those included, as far as is known
    """
    rollout: float = model.training.collector.decisions_per_rollout(model)
    rollouts = math.ceil(max(model._total_timesteps - model.num_timesteps, 0) / rollout)
    per_rollout = rollout if model.gradient_steps < 0 else model.gradient_steps
    return gradient_steps + int(rollouts * per_rollout)
