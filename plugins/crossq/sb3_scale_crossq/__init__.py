"""
CrossQ with batch and weight normalisation.

Sources: Bhatt et al., "CrossQ: Batch Normalization in Deep Reinforcement Learning for Greater
Sample Efficiency and Simplicity", ICLR 2024, and Palenicek et al., "Scaling Off-Policy
Reinforcement Learning with Batch and Weight Normalization", NeurIPS 2025.
"""

from collections.abc import Iterator

from sb3_scale import (
    Actor,
    Algorithm,
    Callback,
    Constraint,
    Network,
    Norm,
    Spec,
    ZooConfig,
    hookimpl,
)

_PAPER = "Palenicek et al., Scaling Off-Policy RL with Batch and Weight Normalization, 2025"
_BRO = "Nauman et al., Bigger, Regularized, Optimistic, 2024"

BASELINES = {
    "sac-baseline": ("sac", "Palenicek et al., 2025, Table 1: SAC."),
    "sr-sac": ("sr-sac", "D'Oro et al., 2023: SAC at UTD 32 with resets every 80000 decisions."),
    "bro": ("bro", "Nauman et al., 2024: BRO at UTD 10."),
}
"""Files of settings in the core's folder ``zoo_configs/baselines``, for ``--conf-file NAME``."""


@hookimpl
def sb3_scale_components() -> Iterator[Spec]:
    """Name the parts of this plugin."""
    yield Algorithm(
        "crossq",
        "sb3_scale_crossq.algorithm:CrossQ",
        summary="SAC with batch normalisation and without targets; a sb3_contrib.CrossQ that also "
        "takes ScalePolicy.",
        reference="Bhatt et al., CrossQ, ICLR 2024, section 3",
    )
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
    yield from _baselines()
    yield ZooConfig(
        "crossq-settings",
        "sb3_scale_crossq:crossq.yml",
        summary="Settings for --algo crossq.",
        algo="crossq",
    )


def _baselines() -> Iterator[Spec]:
    """What the paper compares with: SR-SAC and BRO."""
    yield Callback(
        "reset",
        "sb3_scale_crossq.reset:Reset",
        summary="Gives networks and optimisers a new start, at intervals or at chosen decisions.",
        reference=f"D'Oro et al., Breaking the Replay Ratio Barrier, 2023; {_BRO}",
    )
    yield Network(
        "bronet",
        "sb3_scale_crossq.bronet:BroNet",
        summary="Residual blocks with a norm behind each linear layer.",
        reference=_BRO,
        equation="x <- x + norm(W2 relu(norm(W1 x))), depth times",
    )
    yield Actor(
        "optimistic",
        "sb3_scale_crossq.optimistic:OptimisticActor",
        summary="The actor of SAC, with a second policy that explores optimistically.",
        reference=_BRO,
        equation="shift maximises mean_i Q_i + optimism std_i Q_i - kl_weight KL",
    )
    for name, (file, summary) in BASELINES.items():
        yield ZooConfig(
            name,
            f"sb3_scale:zoo_configs/baselines/{file}.yml",
            summary=summary,
            algo="sac",
            on_request=True,
        )
