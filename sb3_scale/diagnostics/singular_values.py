"""Largest singular values of the weights."""

import torch as th

from sb3_scale.diagnostics.diagnostic import Diagnostic, named_linear_layers, parts


class SingularValues(Diagnostic):
    """
    Largest singular value of each linear layer, and the largest of all layers.

    The weight is the one that the forward pass multiplies with, after a constraint such as
    ``spectral``; the value is averaged over the members. Bjorck et al., "Towards Deeper Deep
    Reinforcement Learning with Spectral Normalization", 2021, plot it per layer. TensorBoard gets
    histograms of all singular values of each layer, of all members.

    :param interval: environment steps (decisions) from one measurement to the next
    """

    key = "singular_values"

    def measure(self) -> None:
        """Log the singular values of the present weights."""
        for part, module in parts(self.model).items():
            values = {}
            for name, layer in named_linear_layers(module).items():
                all_values = singular_values(layer.effective_weight())
                values[name] = all_values[:, -1].mean()
                self.record_histogram(f"{part}/{name}", all_values)
            self.record(f"{part}/max", max(self.record_layers(part, values)))


def singular_values(weight: th.Tensor) -> th.Tensor:
    """
    The roots of the eigenvalues of ``W W^T`` or ``W^T W``, whichever is smaller.

    :param weight: shape ``(m, in, out)``
    :return: ascending, shape ``(m, min(in, out))``
    """
    wide = weight.shape[1] < weight.shape[2]
    gram = weight @ weight.mT if wide else weight.mT @ weight
    eigenvalues: th.Tensor = th.linalg.eigvalsh(gram)
    # Rounding makes some of those that are zero negative.
    return eigenvalues.clamp_min(0).sqrt()
