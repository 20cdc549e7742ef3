"""Largest singular values of the weights."""

import torch as th

from sb3_scale.diagnostics.diagnostic import Diagnostic, named_linear_layers, parts


class SingularValues(Diagnostic):
    """
    Largest singular value of each linear layer, and the largest of all layers.

    The weight is the one that the forward pass multiplies with, after a constraint such as
    ``spectral``; the value is averaged over the members. Bjorck et al., "Towards Deeper Deep
    Reinforcement Learning with Spectral Normalization", 2021, plot it per layer.

    :param interval: environment steps (decisions) from one measurement to the next
    """

    key = "singular_values"

    def __init__(self, interval: int = 1000) -> None:
        super().__init__(interval)

    def measure(self) -> None:
        """Log the singular values of the present weights."""
        for part, module in parts(self.model).items():
            values = {
                name: largest_singular_value(layer.effective_weight()).mean()
                for name, layer in named_linear_layers(module).items()
            }
            self.record(f"{part}/max", max(self.record_layers(part, values)))


def largest_singular_value(weight: th.Tensor) -> th.Tensor:
    """
    The root of the largest eigenvalue of ``W W^T`` or ``W^T W``, whichever is smaller.

    :param weight: shape ``(m, in, out)``
    :return: shape ``(m,)``
    """
    wide = weight.shape[1] < weight.shape[2]
    gram = weight @ weight.mT if wide else weight.mT @ weight
    eigenvalues: th.Tensor = th.linalg.eigvalsh(gram)
    return eigenvalues[:, -1].sqrt()
