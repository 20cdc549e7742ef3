"""
Residual networks and spectral normalisation.

Source: Bjorck, Gomes and Weinberger, "Towards Deeper Deep Reinforcement Learning with Spectral
Normalization", NeurIPS 2021.
"""

from collections.abc import Iterator

from sb3_scale import Constraint, Network, Recipe, Spec, hookimpl

_PAPER = "Bjorck et al., Towards Deeper Deep Reinforcement Learning with Spectral Normalization"


RECIPES = {
    "sac-spectral": "residual networks with spectral normalisation",
    "modern2": "two residual blocks in the critic, with spectral normalisation",
    "modern4": "four residual blocks in the critic, with spectral normalisation",
}
"""Files of settings in this package, by the names of Table 2."""


@hookimpl
def sb3_scale_components() -> Iterator[Spec]:
    """Name the parts of this plugin."""
    yield Network(
        "modern",
        "sb3_scale_spectral.network:ModernNetwork",
        summary="A linear layer, then residual blocks with the norm in front.",
        reference=f"{_PAPER}, 2021, section 3.2",
        equation="x <- x + W2 relu(W1 norm(x)), depth times",
    )
    yield Constraint(
        "spectral",
        "sb3_scale_spectral.constraint:SpectralConstraint",
        summary="Divides the weight of a layer by its largest singular value.",
        reference=f"{_PAPER}, 2021, section 4.2 and appendix C; Miyato et al., 2018",
        equation="y = W x / (u^T W v) + b, with u and v from the power method",
    )
    for name, what in RECIPES.items():
        yield Recipe(
            name,
            f"sb3_scale_spectral:{name}.yml",
            summary=f"Bjorck et al., 2021: {what}.",
            algo="sac",
        )
