"""Size of the updates relative to the weights."""

from statistics import fmean

import torch as th

from sb3_scale.diagnostics.diagnostic import named_linear_layers
from sb3_scale.diagnostics.gradient_step import GradientStepDiagnostic, Meter
from sb3_scale.learning.update import Learner


class _UpdateMeter(Meter):
    def __init__(self, learner: Learner) -> None:
        super().__init__(learner)
        self.layers = {
            path if name == learner.name else f"{name}.{path}": layer
            for name, module in learner.modules.items()
            for path, layer in named_linear_layers(module).items()
        }

    def before_step(self) -> None:
        self.weights = {
            name: layer.weight.detach().clone()
            for name, layer in self.layers.items()
            if layer.weight.grad is not None
        }

    def after_step(self) -> None:
        for name, before in self.weights.items():
            update = self.layers[name].weight.detach() - before
            sizes = [th.linalg.vector_norm(matrix, dim=(1, 2)) for matrix in (update, before)]
            self.figures[name] = (sizes[0] / sizes[1]).mean()


class EffectiveLearningRate(GradientStepDiagnostic):
    """
    ``|W' - W| / |W|`` of one step of the optimiser, per linear layer and averaged over the layers.

    W is the weight of a member before the step and W' after it, as the optimiser leaves it: with
    weight decay, before a constraint projects it. The ratio is averaged over the members; layers
    without a gradient in that step, such as those of a second policy, are left out. Where a
    norm makes the layer independent of the scale of W, this ratio is the speed of learning (Van
    Hasselt et al., "When to use parametric models in reinforcement learning?", 2019; Lyle et al.,
    "Normalization and effective learning rates in reinforcement learning", 2024).

    :param interval: environment steps (decisions) from one measurement to the next
    """

    key = "effective_learning_rate"

    def make_meter(self, learner: Learner) -> Meter:
        """
        :param learner: what is watched
        :return: hooks on its optimiser
        """
        return _UpdateMeter(learner)

    def record_figures(self, part: str, figures: dict[str, th.Tensor]) -> None:
        """
        :param part: the learner's name, such as ``actor`` or ``critic``
        :param figures: a ratio per layer
        """
        self.record(part, fmean(self.record_layers(part, figures)))
