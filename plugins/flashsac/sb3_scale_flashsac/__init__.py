"""
FlashSAC: batch-normalised residual networks on the sphere, and noise that is kept for a while.

Source: Kim et al., "FlashSAC: Fast and Stable Off-Policy Reinforcement Learning for
High-Dimensional Robot Control", 2026, arXiv 2604.04539.
"""

from collections.abc import Iterator

from sb3_scale import Actor, Network, Recipe, Spec, hookimpl

_FLASHSAC = "Kim et al., FlashSAC, 2026, arXiv 2604.04539"


@hookimpl
def sb3_scale_components() -> Iterator[Spec]:
    """Name the parts of this plugin."""
    yield Network(
        "flashsac",
        "sb3_scale_flashsac.network:FlashSAC",
        summary="Residual blocks with a norm behind each linear layer, and an RMS norm at the end.",
        reference=_FLASHSAC,
        equation="x <- x + relu(norm(W2 relu(norm(W1 x)))), depth times",
    )
    yield Actor(
        "zeta-noise",
        "sb3_scale_flashsac.zeta_noise:ZetaNoiseActor",
        summary="The actor of SAC, whose noise in training is kept for some decisions.",
        reference=_FLASHSAC,
        equation="a = tanh(mu(s) + sigma(s) eps), eps kept for n decisions, P(n) ~ n^-2",
    )
    yield Recipe(
        "flashsac",
        "sb3_scale_flashsac:flashsac.yml",
        summary="Kim et al., 2026: FlashSAC at one gradient step per decision.",
        algo="sac",
    )
