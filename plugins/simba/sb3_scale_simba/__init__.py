"""
SimBa and SimbaV2: residual networks with layer normalisation, and networks on the hypersphere.

Sources: Lee et al., "SimBa: Simplicity Bias for Scaling Up Parameters in Deep Reinforcement
Learning", ICLR 2025, and "Hyperspherical Normalization for Scalable Deep Reinforcement Learning",
ICML 2025.
"""

from collections.abc import Iterator

from sb3_scale import Network, Recipe, Spec, hookimpl

_SIMBAV2 = "Lee et al., Hyperspherical Normalization for Scalable Deep RL, 2025"

SETTINGS = {
    "simba": "Lee et al., ICLR 2025: SimBa, SAC with residual networks.",
    "simbav2": "Lee et al., ICML 2025: SimbaV2, SAC on the hypersphere.",
}
"""Files of settings in this package, for ``--conf-file NAME``."""


@hookimpl
def sb3_scale_components() -> Iterator[Spec]:
    """Name the parts of this plugin."""
    yield Network(
        "simba",
        "sb3_scale_simba.residual:Simba",
        summary="Residual blocks that begin with layer normalisation.",
        reference="Lee et al., SimBa, ICLR 2025, section 4",
        equation="x <- W x + b, x <- x + W2 relu(W1 norm(x)) depth times, x <- norm(x)",
    )
    yield Network(
        "simbav2",
        "sb3_scale_simba.hypersphere:SimbaV2",
        summary="Residual blocks whose features stay on the unit sphere.",
        reference=_SIMBAV2,
        equation="x <- unit(x + a (unit(W2 relu(s W1 x)) - x)), depth times",
    )
    yield Network(
        "simbav2-head",
        "sb3_scale_simba.hypersphere:SimbaV2Head",
        summary="A linear layer and a learned scale per feature, before outputs.",
        reference=_SIMBAV2,
        equation="s W x",
    )
    for name, summary in SETTINGS.items():
        yield Recipe(
            name,
            f"sb3_scale_simba:{name}.yml",
            summary=summary,
            algo="sac",
        )
