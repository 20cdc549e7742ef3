"""A critic whose target leans towards the members with the least value."""

from sb3_scale import Critic, hookimpl


@hookimpl
def sb3_scale_components():
    """Name the critic."""
    yield Critic(
        "acme-soft-min",
        "acme_soft_min.critic:SoftMinCritic",
        summary="An ensemble with a soft minimum in its target.",
        equation="y = target of sum_i w_i Z_i, w = softmax(-mean(Z) / temperature)",
    )
