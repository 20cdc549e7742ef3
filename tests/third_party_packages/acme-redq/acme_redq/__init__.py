"""REDQ: the least of two random members for the target, the mean of all for the actor."""

from sb3_scale import Reduction, hookimpl


@hookimpl
def sb3_scale_components():
    """Name the reduction."""
    yield Reduction(
        "acme-redq",
        "acme_redq.reduction:RandomPair",
        summary="The least of two members that are drawn anew in each gradient step.",
        reference="Chen et al., Randomized Ensembled Double Q-Learning, 2021, algorithm 1",
    )
