"""Norms of the gradients."""

import torch as th
from torch import nn

from sb3_scale.diagnostics.gradient_step import GradientStepDiagnostic, Meter
from sb3_scale.learning.update import Learner


class _GradientMeter(Meter):
    def __init__(self, learner: Learner) -> None:
        super().__init__(learner)
        self.learner = learner

    def before_step(self) -> None:
        unclipped = self.learner.unclipped_norm
        gradients = [par.grad for par in self.learner.parameters if par.grad is not None]
        self.figures["norm"] = (
            nn.utils.get_total_norm(gradients) if unclipped is None else unclipped
        )


class GradientNorm(GradientStepDiagnostic):
    """
    L2 norm of the gradient of one gradient step, over all parameters of a learner.

    The gradient is that of the loss, before ``max_grad_norm`` clips it. The critic's parameters are
    those of all members and of an extractor that its optimiser trains too.

    :param interval: environment steps (decisions) from one measurement to the next
    """

    key = "gradient_norm"

    def make_meter(self, learner: Learner) -> Meter:
        """
        :param learner: what is watched
        :return: hooks on its optimiser
        """
        return _GradientMeter(learner)

    def record_figures(self, part: str, figures: dict[str, th.Tensor]) -> None:
        """
        :param part: the learner's name, such as ``actor`` or ``critic``
        :param figures: the norm
        """
        self.record(part, figures["norm"].item())
