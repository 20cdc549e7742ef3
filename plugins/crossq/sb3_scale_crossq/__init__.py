"""
CrossQ with batch and weight normalisation.

Sources: Bhatt et al., "CrossQ: Batch Normalization in Deep Reinforcement Learning for Greater
Sample Efficiency and Simplicity", ICLR 2024, and Palenicek et al., "Scaling Off-Policy
Reinforcement Learning with Batch and Weight Normalization", NeurIPS 2025.
"""

from collections.abc import Iterator

from sb3_scale import Constraint, Norm, Spec, hookimpl

_PAPER = "Palenicek et al., Scaling Off-Policy RL with Batch and Weight Normalization, 2025"


@hookimpl
def sb3_scale_components() -> Iterator[Spec]:
    """Name the parts of this plugin."""
    yield Norm(
        "batch",
        "sb3_scale_crossq.norms:EnsembleBatchNorm",
        summary="Batch normalisation with statistics, scale and shift per ensemble member.",
        reference="Ioffe and Szegedy, 2015, algorithm 1; Bhatt et al., CrossQ, 2024",
        equation="(x - mean_b(x)) / sqrt(var_b(x) + eps) * weight + bias",
    )
    yield Norm(
        "batch-renorm",
        "sb3_scale_crossq.norms:EnsembleBatchRenorm",
        summary="Batch normalisation that leans on the running statistics after a warm-up.",
        reference="Ioffe, Batch Renormalization, 2017, algorithm 1; Bhatt et al., CrossQ, 2024",
        equation="((x - mean_b(x)) / std_b(x) * r + d) * weight + bias",
    )
    yield Constraint(
        "unit-norm",
        "sb3_scale_crossq.constraint:UnitNormConstraint",
        summary="Projects the weights of each neuron to norm 1 after each gradient step.",
        reference=f"{_PAPER}, section 4",
        equation="w <- w / ||w||",
    )
