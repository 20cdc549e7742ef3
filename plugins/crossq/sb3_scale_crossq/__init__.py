"""
CrossQ with batch and weight normalisation.

Sources: Bhatt et al., "CrossQ: Batch Normalization in Deep Reinforcement Learning for Greater
Sample Efficiency and Simplicity", ICLR 2024, and Palenicek et al., "Scaling Off-Policy
Reinforcement Learning with Batch and Weight Normalization", NeurIPS 2025, and "XQC:
Well-Conditioned Optimization Accelerates Deep Reinforcement Learning", ICLR 2026.
"""

from collections.abc import Iterator

from sb3_scale import Algorithm, Recipe, Spec, ZooConfig, hookimpl

SETTINGS = {
    "crossq-wn": "Palenicek et al., 2025, Table 1: CrossQ with weight normalisation at UTD 5.",
    "xqc": "Palenicek et al., 2026: XQC, with a categorical value and scaled rewards.",
    "sac-baseline": "Palenicek et al., 2025, Table 1: SAC.",
}
"""Files of settings in this package, for ``--conf-file NAME``."""


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
    yield ZooConfig(
        "crossq-settings",
        "sb3_scale_crossq:crossq.yml",
        summary="Settings for --algo crossq.",
        algo="crossq",
    )
    yield Recipe(
        "crossq",
        "sb3_scale_crossq:crossq.yml",
        summary="Palenicek et al., 2025, Table 1: CrossQ, without target networks.",
        algo="crossq",
    )
    for name, summary in SETTINGS.items():
        yield Recipe(
            name,
            f"sb3_scale_crossq:{name}.yml",
            summary=summary,
            algo="sac",
        )
