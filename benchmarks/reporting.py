"""Command line, panels and tables that the programs of benchmarks/ about runs share."""

import argparse
from collections.abc import Iterable, Sequence
from itertools import cycle
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours, which colour-blind readers can tell apart."""
MARKERS = ("o", "s", "^", "D", "v")
"""Five and six share no divisor, so 30 labels differ in colour or marker."""


def run_parser(description: str) -> argparse.ArgumentParser:
    """
    :param description: of the program
    :return: parser of ``--run LABEL=FOLDER``, as often as wanted, and ``--output PATH``
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--run", action="append", required=True, metavar="LABEL=FOLDER", type=labelled_folder
    )
    parser.add_argument("--output", type=Path, required=True, help="path without an ending")
    return parser


def labelled_folder(text: str) -> tuple[str, Path]:
    """
    :param text: ``LABEL=FOLDER``
    :return: label and folder
    :raises argparse.ArgumentTypeError: if the folder is missing
    """
    label, _, folder = text.partition("=")
    if not Path(folder).is_dir():
        raise argparse.ArgumentTypeError(f"{text!r}: no folder {folder!r}; LABEL=FOLDER is wanted")
    return label, Path(folder)


def styles(labels: Iterable[str]) -> dict[str, tuple[str, str]]:
    """
    :param labels: in the order of the legend
    :return: colour and marker of each
    """
    return dict(zip(labels, zip(cycle(OKABE_ITO), cycle(MARKERS)), strict=False))


def panels(
    titles: Sequence[str], x_label: str, size: tuple[float, float]
) -> tuple[Figure, list[Axes]]:
    """
    :param titles: one panel each, side by side
    :param x_label: below each panel
    :param size: of a panel, in inches
    :return: the figure and its panels
    """
    figure = Figure(figsize=(size[0] * len(titles), size[1]), layout="constrained")
    row = list(figure.subplots(1, len(titles), squeeze=False)[0])
    for axes, title in zip(row, titles, strict=True):
        axes.set_title(title, loc="left", fontweight="bold")
        axes.set_xlabel(x_label)
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    return figure, row


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """
    :param head: names of the columns
    :param rows: as many texts each
    :return: the table, ready for a page of the documentation
    """
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))
