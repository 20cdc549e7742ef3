"""TQC: the greatest quantiles of all members together are left out of the target."""

from sb3_scale import Reduction, hookimpl


@hookimpl
def sb3_scale_components():
    """Name the reduction."""
    yield Reduction(
        "acme-tqc",
        "acme_tqc.reduction:TruncatedMixture",
        summary="All quantiles of all members, without the greatest.",
        reference="Kuznetsov et al., Truncated Quantile Critics, 2020, equation 11",
    )
