"""
BRO and SR-SAC: residual networks, optimistic exploration and resets.

Sources: Nauman et al., "Bigger, Regularized, Optimistic: scaling for compute and sample-efficient
continuous control", 2024, and D'Oro et al., "Sample-Efficient Reinforcement Learning by Breaking
the Replay Ratio Barrier", ICLR 2023.
"""

from collections.abc import Iterator

from sb3_scale import Actor, Callback, Network, Recipe, Spec, hookimpl

_BRO = "Nauman et al., Bigger, Regularized, Optimistic, 2024"

SETTINGS = {
    "sr-sac": "D'Oro et al., 2023: SAC at UTD 32 with resets every 80000 decisions.",
    "bro": "Nauman et al., 2024: BRO at UTD 10.",
    "brc": "Nauman et al., 2025: BRC, a categorical BRO without resets, for one task.",
}
"""Files of settings in this package, for ``--conf-file NAME``."""


@hookimpl
def sb3_scale_components() -> Iterator[Spec]:
    """Name the parts of this plugin."""
    yield Callback(
        "reset",
        "sb3_scale_bro.reset:Reset",
        summary="Gives networks and optimisers a new start, at intervals or at chosen decisions.",
        reference=f"D'Oro et al., Breaking the Replay Ratio Barrier, 2023; {_BRO}",
    )
    yield Network(
        "bronet",
        "sb3_scale_bro.bronet:BroNet",
        summary="Residual blocks with a norm behind each linear layer.",
        reference=_BRO,
        equation="x <- x + norm(W2 relu(norm(W1 x))), depth times",
    )
    yield Actor(
        "optimistic",
        "sb3_scale_bro.optimistic:OptimisticActor",
        summary="The actor of SAC, with a second policy that explores optimistically.",
        reference=_BRO,
        equation="shift maximises mean_i Q_i + optimism std_i Q_i - kl_weight KL",
    )
    for name, summary in SETTINGS.items():
        yield Recipe(
            name,
            f"sb3_scale_bro:{name}.yml",
            summary=summary,
            algo="sac",
        )
