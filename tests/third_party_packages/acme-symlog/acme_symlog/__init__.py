"""Two-hot targets on atoms that lie far apart where returns are large."""

from sb3_scale import Value, hookimpl


@hookimpl
def sb3_scale_components():
    """Name the value."""
    yield Value(
        "symlog-two-hot",
        "acme_symlog.value:SymlogTwoHot",
        summary="Probabilities of returns whose symlog is evenly spaced.",
        reference="Hafner et al., Mastering Diverse Domains through World Models, 2023",
        equation="Q = sum_i p_i symexp(z_i)",
    )
