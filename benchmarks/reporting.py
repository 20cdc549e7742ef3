"""Command line, panels and tables that the programs of benchmarks/ about runs share."""

import argparse
from collections.abc import Iterable, Sequence
from itertools import cycle
from pathlib import Path

import pandas
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
    :return: parser of ``--run LABEL=FOLDER`` or ``--sweep AXIS=RESULTS``, as often as wanted, and
        of ``--output PATH``
    """
    parser = argparse.ArgumentParser(description=description)
    runs = parser.add_mutually_exclusive_group(required=True)
    runs.add_argument("--run", action="append", metavar="LABEL=FOLDER", type=labelled_folder)
    runs.add_argument(
        "--sweep",
        action="extend",
        dest="run",
        metavar="AXIS=RESULTS",
        type=swept_folders,
        help="all runs of a results.csv of sb3-scale sweep; the axis of its grid labels them",
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


def swept_folders(text: str) -> list[tuple[str, Path]]:
    """
    :param text: ``AXIS=RESULTS``
    :return: label and folder of each training that finished
    :raises argparse.ArgumentTypeError: if the file is missing or has no such axis
    """
    axis, _, path = text.partition("=")
    if not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"{text!r}: no file {path!r}; AXIS=RESULTS is wanted")
    table = pandas.read_csv(path, dtype=str, keep_default_na=False)
    if axis not in table:
        raise argparse.ArgumentTypeError(f"{path!r} has no axis {axis!r}, but {', '.join(table)}")
    finished = table[table["error"] == ""]
    return [
        (label, Path(path).parent / folder)
        for label, folder in zip(finished[axis], finished["folder"], strict=True)
    ]


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
