"""Norms of the weights."""

import torch as th

from sb3_scale.diagnostics.diagnostic import Diagnostic, named_linear_layers, parts


class WeightNorm(Diagnostic):
    """
    L2 norm of the weight of each linear layer, and the sum over the layers, of actor and critic.

    The norm is that of a member's weight matrix, without its bias and without the factor of a
    constraint, averaged over the members. The sum over the critic's layers is in Figure 2, row 3,
    of Palenicek et al., "Scaling Off-Policy Reinforcement Learning with Batch and Weight
    Normalization", 2025.

    :param interval: environment steps (decisions) from one measurement to the next
    """

    key = "weight_norm"

    def measure(self) -> None:
        """Log the norms of the present weights."""
        for part, module in parts(self.model).items():
            norms = {
                name: th.linalg.vector_norm(layer.weight.detach(), dim=(1, 2)).mean()
                for name, layer in named_linear_layers(module).items()
            }
            self.record(f"{part}/sum", sum(self.record_layers(part, norms)))
