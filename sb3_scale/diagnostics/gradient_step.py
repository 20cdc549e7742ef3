"""Diagnostics of what happens inside a gradient step."""

from typing import Any

import torch as th

from sb3_scale.diagnostics.diagnostic import Diagnostic, watched
from sb3_scale.learning.update import Learner


class Meter:
    """
    Hooks that watch one gradient step of a learner; the next steps pass unseen.

    What is measured stays on the device until :class:`GradientStepDiagnostic` reads it.

    :param learner: what is watched
    """

    def __init__(self, learner: Learner) -> None:
        self.figures: dict[str, th.Tensor] = {}
        self.done = False
        self.handles: list[Any] = [
            learner.optimizer.register_step_pre_hook(self._before),
            learner.optimizer.register_step_post_hook(self._after),
        ]

    def before_step(self) -> None:
        """Look at parameters and gradients before the optimiser's step."""

    def after_step(self) -> None:
        """Look at the parameters after the optimiser has changed them."""

    def remove(self) -> None:
        """Take the hooks off."""
        for handle in self.handles:
            handle.remove()

    def _before(self, *_: Any) -> None:
        if not self.done:
            self.before_step()

    def _after(self, *_: Any) -> None:
        if not self.done:
            self.after_step()
            self.done = True


class GradientStepDiagnostic(Diagnostic):
    """
    Measures the next gradient step of each learner and logs it one environment step later.

    :param interval: environment steps (decisions) from one measurement to the next
    """

    def __init__(self, interval: int = 1000) -> None:
        super().__init__(interval)
        self._meters: dict[str, Meter] = {}

    def _on_step(self) -> bool:
        for part, meter in list(self._meters.items()):
            if meter.done:
                self._meters.pop(part).remove()
                self.record_figures(part, meter.figures)
        return super()._on_step()

    def _on_training_end(self) -> None:
        while self._meters:
            self._meters.popitem()[1].remove()

    def measure(self) -> None:
        """Watch the next gradient step of each learner that is not being watched already."""
        for name, learner in watched(self.model).items():
            if name not in self._meters:
                self._meters[name] = self.make_meter(learner)

    def make_meter(self, learner: Learner) -> Meter:
        """
        :param learner: what is watched
        :return: hooks on its optimiser
        """
        raise NotImplementedError

    def record_figures(self, part: str, figures: dict[str, th.Tensor]) -> None:
        """
        :param part: the learner's name, such as ``actor`` or ``critic``
        :param figures: of its meter
        """
        raise NotImplementedError
