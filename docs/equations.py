"""Equations of the pages, blocks of ``math``, as MathML: browsers draw it without a script."""

from typing import Any

from latex2mathml.converter import convert


def to_mathml(latex: str) -> str:
    """
    :param latex: one equation
    :return: HTML
    :raises ValueError: if a command of LaTeX is not known
    """
    made = convert(latex, display="block")
    if "\\" in made:
        command = made[made.index("\\") :].partition("<")[0]
        raise ValueError(f"{command} is not known in the equation {latex!r}")
    # Without a tab stop nobody can scroll a long equation by the keyboard.
    return f'<div class="equation" tabindex="0">{made}</div>'


def fence(source: str, *_: Any, **__: Any) -> str:
    """
    What the extension of Markdown for fenced blocks calls.

    :param source: the text of the block
    :return: HTML
    """
    return to_mathml(source)
