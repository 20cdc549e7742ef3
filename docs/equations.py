"""Equations of the pages, blocks of ``math``, as MathML: browsers draw it without a script."""

import re
from typing import Any

from latex2mathml.converter import convert
from pymdownx.superfences import SuperFencesException

TIGHTER = {
    re.compile(r"<mo>(?!min<|max<)([a-z]{2,})</mo>"): r"<mi>\1</mi>",
    re.compile(r"<mo>(&#x0007C;|&#x02016;)</mo>"): r'<mo lspace="0" rspace="0">\1</mo>',
}
"""Names such as clip, and bars, which as operators would keep their distance."""


def to_mathml(latex: str) -> str:
    """
    :param latex: one equation
    :return: HTML
    :raises ValueError: if a command of LaTeX is not known
    """
    made = convert(latex, display="block").replace("\\_", "_")
    if "\\" in made:
        command = made[made.index("\\") :].partition("<")[0]
        raise ValueError(f"{command} is not known in the equation {latex!r}")
    for found, better in TIGHTER.items():
        made = found.sub(better, made)
    # Without a tab stop nobody can scroll a long equation by the keyboard.
    return f'<div class="equation" tabindex="0">{made}</div>'


def fence(source: str, *_: Any, **__: Any) -> str:
    """
    What the extension of Markdown for fenced blocks calls.

    :param source: the text of the block
    :return: HTML
    :raises SuperFencesException: if the equation is wrong; any other would print it as code
    """
    try:
        return to_mathml(source)
    except ValueError as error:
        raise SuperFencesException(str(error)) from error
