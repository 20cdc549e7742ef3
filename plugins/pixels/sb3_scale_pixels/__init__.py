"""
Learning from pixels: the encoder of DrQ, random shifts, and the settings of papers.

Sources: Kostrikov et al., "Image Augmentation Is All You Need: Regularizing Deep Reinforcement
Learning from Pixels", ICLR 2021; Yarats et al., "Mastering Visual Continuous Control: Improved
Data-Augmented Reinforcement Learning", ICLR 2022; Bjorck et al., "Towards Deeper Deep Reinforcement
Learning with Spectral Normalization", NeurIPS 2021.
"""

from collections.abc import Iterator

from sb3_scale import Callback, Extractor, Network, Recipe, Spec, Transform, hookimpl

_DRQ = "Kostrikov et al., Image Augmentation Is All You Need, 2021"

_HEADS = {
    "mlp2": "two hidden layers",
    "mlp4": "four hidden layers",
    "modern2": "two residual blocks",
    "modern4": "four residual blocks in the critic",
}

RECIPES = {
    "drq": ("sac", "Kostrikov et al., ICLR 2021: SAC from pixels with random shifts."),
    "drq-v2": ("td3", "Yarats et al., ICLR 2022: DDPG from pixels, returns over three steps."),
    "crossq-wn-pixels": ("sac", "CrossQ with weight normalisation, behind the encoder of DrQ."),
    "xqc-pixels": ("sac", "XQC, behind the encoder of DrQ."),
    **{
        f"pixels-{name}{suffix}": ("sac", f"Bjorck et al., 2021, from pixels: {head}{more}.")
        for name, head in _HEADS.items()
        for suffix, more in (("", ""), ("-spectral", ", with spectral normalisation"))
    },
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
    yield Callback(
        "noise-schedule",
        "sb3_scale_pixels.noise:NoiseSchedule",
        summary="Normal noise of exploration that shrinks along a line.",
        reference="Yarats et al., Mastering Visual Continuous Control, 2022, equation 3",
        equation="sigma(t) = start + (end - start) min(t / decisions, 1)",
    )
    for name, (algo, summary) in RECIPES.items():
        yield Recipe(name, f"sb3_scale_pixels:{name}.yml", summary=summary, algo=algo)
