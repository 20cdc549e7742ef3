"""Colours and markers that tell labels apart, also for colour-blind readers, by day and night."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import cycle

SERIES = (
    ("#0072B2", "#58B4F0"),
    ("#D55E00", "#FF8B40"),
    ("#009E73", "#2FCF9F"),
    ("#CC79A7", "#EBA6CB"),
    ("#E69F00", "#FFC54A"),
    ("#56B4E9", "#A9DCFF"),
    ("#3A3A3B", "#E4E4E6"),
    ("#8A6D3B", "#CDB27F"),
)
"""Okabe and Ito's on a light ground, without their yellow, and lighter ones on a dark ground."""
MARKERS = ("o", "s", "^", "D", "v")
"""Five and eight share no divisor, so 40 labels differ in colour or marker."""

INK, FAINT = "#1C2024", "#6B7177"
"""Of text and lines on a light ground; a page gives them its own."""


@dataclass(frozen=True)
class Style:
    """
    :param number: of the label, from 0
    :param colour: on a light ground
    :param marker: of matplotlib
    """

    number: int
    colour: str
    marker: str


def styles(labels: Iterable[str]) -> dict[str, Style]:
    """
    :param labels: in their order
    :return: how each is drawn
    """
    looks = zip(cycle(light for light, _ in SERIES), cycle(MARKERS), strict=False)
    return {
        label: Style(number, *look)
        for number, (label, look) in enumerate(zip(labels, looks, strict=False))
    }
