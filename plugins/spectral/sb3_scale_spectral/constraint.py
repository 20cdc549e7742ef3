"""Spectral normalisation as a constraint of actors and critics."""

from collections.abc import Sequence
from typing import Literal

from sb3_scale.errors import check_above, check_within
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale_spectral.power import SpectralScale, iterate_

MAX_VECTORS = 64
"""Beyond it the powers of Gram matrices would leave the range of float32."""
MAX_ITERATIONS = 1000
"""Far more than any block of vectors needs, and few enough to end."""


class SpectralConstraint:
    """
    Divides the weights of chosen layers by their largest singular value, in the forward pass.

    ``y = W x / (u^T W v) + b``, where u and v follow the leading singular vectors of W and are
    constants for the gradient. Source: Bjorck et al., "Towards Deeper Deep Reinforcement Learning
    with Spectral Normalization", 2021, section 4.2 and appendix C; Miyato et al., "Spectral
    Normalization for Generative Adversarial Networks", 2018, section 2.1.

    Both papers move one pair of vectors by one power iteration per update. A pair that has
    converged has no part in the second singular direction; when that one takes the lead, the pair
    needs hundreds of iterations to turn, and the largest singular value of the divided weight rises
    to 1.15. A block of vectors already holds the next direction, and u and v are its
    best combination (subspace iteration with a Rayleigh-Ritz step). It reads the weight as often as
    a pair does. Figures are in docs/spectral.md.

    :param layers: the linear layers of one actor or critic, input first
    :param which: ``intermediate`` is the paper's, all but the first layer and the outputs;
        ``hidden`` is all but the outputs; ``all`` leaves none out, so that the values are bounded
        as well
    :param n_vectors: size of the block, at most 64; 1 is the papers' power method
    :param power_iterations: after each change of the weights, at most 1000
    :param init_iterations: at initialisation, from random vectors, at most 1000
    :param eps: lower bound of the singular value that a weight is divided by
    """

    def __init__(
        self,
        layers: Sequence[EnsembleLinear],
        which: Literal["intermediate", "hidden", "all"] = "intermediate",
        n_vectors: int = 8,
        power_iterations: int = 1,
        init_iterations: int = 50,
        eps: float = 1e-12,
    ) -> None:
        check_within(1, MAX_VECTORS, n_vectors=n_vectors)
        iterations = {"power_iterations": power_iterations, "init_iterations": init_iterations}
        check_within(1, MAX_ITERATIONS, **iterations)
        check_above(0, eps=eps)
        first = 1 if which == "intermediate" else 0
        self.layers = [layer for layer in layers[first:] if which == "all" or not layer.output]
        if not self.layers:
            raise ValueError(
                f"which '{which}' selects none of {len(layers)} ensemble linear layers; "
                "allowed: a deeper network, or which 'hidden' or 'all'"
            )
        self.power_iterations = power_iterations
        self.eps = eps
        self.scales = [SpectralScale(layer.weight, n_vectors) for layer in self.layers]
        for layer, scale in zip(self.layers, self.scales, strict=True):
            layer.scale = scale
        self._iterate(init_iterations)

    def project_(self) -> None:
        """Move u and v towards the singular vectors of the present weights."""
        self._iterate(self.power_iterations)

    def _iterate(self, iterations: int) -> None:
        weights = [layer.weight for layer in self.layers]
        iterate_(self.scales, weights, iterations, self.eps)
