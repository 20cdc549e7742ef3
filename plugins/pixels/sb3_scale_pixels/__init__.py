"""
Learning from pixels: the encoder of DrQ, random shifts, and the settings of papers.

Sources: Kostrikov et al., "Image Augmentation Is All You Need: Regularizing Deep Reinforcement
Learning from Pixels", ICLR 2021; Yarats et al., "Mastering Visual Continuous Control: Improved
Data-Augmented Reinforcement Learning", ICLR 2022; Bjorck et al., "Towards Deeper Deep Reinforcement
Learning with Spectral Normalization", NeurIPS 2021.
"""

from collections.abc import Iterator

from sb3_scale import Extractor, Network, Recipe, Spec, Transform, hookimpl

_DRQ = "Kostrikov et al., Image Augmentation Is All You Need, 2021"

RECIPES = {
    "drq": ("sac", "Kostrikov et al., ICLR 2021: SAC from pixels with random shifts."),
}
"""Files of settings in this package: the algorithm, and what they are."""


@hookimpl
def sb3_scale_components() -> Iterator[Spec]:
    """Name the parts of this plugin."""
    yield Extractor(
        "drq",
        "sb3_scale_pixels.encoder:DrQEncoder",
        summary="Convolutions over images, and a trunk that actor and critic share or own.",
        reference=f"{_DRQ}, appendix B",
        equation="tanh(layernorm(W conv(... conv(image / 255))))",
    )
    yield Network(
        "trunk",
        "sb3_scale_pixels.trunk:TrunkNetwork",
        summary="A narrow normalised layer before another network.",
        reference=f"{_DRQ}, appendix B",
        equation="network(tanh(layernorm(W x + b)))",
    )
    yield Transform(
        "random-shift",
        "sb3_scale_pixels.shift:RandomShift",
        summary="Shifts images by a few pixels, in one or more copies.",
        reference=f"{_DRQ}, section 3",
        equation="image[y + dy, x + dx] within its bounds, dy and dx from -pad to pad",
    )
    for name, (algo, summary) in RECIPES.items():
        yield Recipe(name, f"sb3_scale_pixels:{name}.yml", summary=summary, algo=algo)
