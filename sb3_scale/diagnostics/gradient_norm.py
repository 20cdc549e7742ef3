"""Norms of the gradients."""

import torch as th
from torch import nn

from sb3_scale.algorithms.gradients import trained
from sb3_scale.diagnostics.gradient_step import GradientStepDiagnostic, Meter


class _GradientMeter(Meter):
    def __init__(self, module: nn.Module) -> None:
        super().__init__(module)
        self.module = module

    def before_step(self) -> None:
        unclipped = getattr(self.module, "unclipped_norm", None)
        gradients = [par.grad for par in trained(self.module) if par.grad is not None]
        self.figures["norm"] = (
            nn.utils.get_total_norm(gradients) if unclipped is None else unclipped
        )


class GradientNorm(GradientStepDiagnostic):
    """
    L2 norm of the gradient of one gradient step, over all parameters of the actor or critic.

    The gradient is that of the loss, before ``max_grad_norm`` clips it. The critic's parameters are
    those of all members and of an extractor that its optimiser trains too.

    :param interval: environment steps (decisions) from one measurement to the next
    """

    key = "gradient_norm"

    def __init__(self, interval: int = 1000) -> None:
        super().__init__(interval)

    def make_meter(self, module: nn.Module) -> Meter:
        """
        :param module: the actor or critic
        :return: hooks on its optimiser
        """
        return _GradientMeter(module)

    def record_figures(self, part: str, figures: dict[str, th.Tensor]) -> None:
        """
        :param part: ``actor`` or ``critic``
        :param figures: the norm
        """
        self.record(part, figures["norm"].item())
