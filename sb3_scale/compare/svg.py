"""Drawings inside a page, in the colours of the page."""

import io
import re

import matplotlib as mpl
from matplotlib.figure import Figure

from sb3_scale.compare.palette import FAINT, INK, SERIES

COLOURS = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    **{light: f"var(--series-{number})" for number, (light, _) in enumerate(SERIES)},
}
"""What stands on the page for a colour of a drawing."""

LEFT_OUT = (
    r"<metadata>.*?</metadata>\s*",
    r"<defs>\s*<style.*?</style>\s*</defs>\s*",
    r' (width|height)="[\d.]+pt"',
    r' id="\w[\w.]*_\d+"',
    r' font-family: [^;"]*;',
)
"""What the page has itself, or what would be there twice with two drawings."""


def inline(figure: Figure, name: str) -> str:
    """
    :param figure: a drawing
    :param name: of it, another for each drawing of a page
    :return: an ``svg`` element without a ground, whose colours are those of the page
    """
    text = io.StringIO()
    # The salt keeps the ids of two drawings apart, and the same from run to run.
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(text, format="svg", transparent=True, metadata={"Date": None})
    drawn = text.getvalue()
    drawn = drawn[drawn.index("<svg") :]
    for pattern in LEFT_OUT:
        drawn = re.sub(pattern, "", drawn, flags=re.DOTALL)
    for colour, variable in COLOURS.items():
        drawn = re.sub(rf"(?<=[a-z]: ){colour}(?=[;\"])", variable, drawn, flags=re.IGNORECASE)
    return drawn
