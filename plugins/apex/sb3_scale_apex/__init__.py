"""
Collection by many processes and machines, as in Ape-X.

Sources: Horgan et al., "Distributed Prioritized Experience Replay", ICLR 2018; Ota et al.,
"Training Larger Networks for Deep Reinforcement Learning", 2021, section 3.2.
"""

from collections.abc import Iterator

from sb3_scale import Collector, Recipe, Spec, hookimpl

_APE_X = "Horgan et al., Distributed Prioritized Experience Replay, 2018"

RECIPES = {
    f"densenet-ofenet-{size}-apex{'-td3' if algo == 'td3' else ''}": (
        algo,
        f"Ota et al., 2021, with Ape-X: 2 x 32 environments, DenseNet heads of {width} units.",
    )
    for algo in ("sac", "td3")
    for size, width in (("s", 256), ("m", 1024), ("l", 2048))
}
"""Files of settings in this package: the algorithm, and what they are."""


@hookimpl
def sb3_scale_components() -> Iterator[Spec]:
    """Name the parts of this plugin."""
    yield Collector(
        "ray",
        "sb3_scale_apex.collector:RayCollector",
        summary="Many collectors on this machine or on a Ray cluster, while the networks learn.",
        reference=f"{_APE_X}, section 3",
    )
    yield Collector(
        "inline",
        "sb3_scale_apex.collector:InlineCollector",
        summary="The collectors of 'ray' in this process, one after the other.",
        reference=f"{_APE_X}, section 3",
    )
    for name, (algo, summary) in RECIPES.items():
        yield Recipe(name, f"sb3_scale_apex:{name}.yml", summary=summary, algo=algo)
