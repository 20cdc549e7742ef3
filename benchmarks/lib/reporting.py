"""Command line, panels and tables that the programs of benchmarks/ about runs share."""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from sb3_scale.errors import Sb3ScaleError

COLOURS = (
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999",
)  # fmt: skip
"""Okabe and Ito's, which colour-blind readers can tell apart, with grey for their yellow."""
MARKERS = ("o", "s", "^", "D", "v")
"""Five and eight share no divisor, so 40 labels differ in colour or marker."""


def run_parser(description: str) -> argparse.ArgumentParser:
    """
    :param description: of the program
    :return: parser of ``--run LABEL=FOLDER`` or ``--sweep AXES=RESULTS``, as often as wanted, and
        of ``--output PATH``
    """
    parser = argparse.ArgumentParser(description=description)
    runs = parser.add_mutually_exclusive_group(required=True)
    runs.add_argument("--run", action="append", metavar="LABEL=FOLDER", type=labelled_folder)
    runs.add_argument(
        "--sweep",
        action="extend",
        dest="run",
        metavar="AXES=RESULTS",
        type=swept_folders,
        help="all runs of a results.csv of sb3-scale sweep; axes of its grid, with commas between "
        "them, label them",
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
    :param text: ``AXES=RESULTS``
    :return: label and folder of each training that finished
    :raises argparse.ArgumentTypeError: if the file is missing or has no such axis
    """
    names, _, path = text.partition("=")
    axes = names.split(",")
    if not Path(path).is_file():
        raise argparse.ArgumentTypeError(f"{text!r}: no file {path!r}; AXES=RESULTS is wanted")
    table = pandas.read_csv(path, dtype=str, keep_default_na=False)
    for axis in axes:
        if axis not in table:
            raise argparse.ArgumentTypeError(
                f"{path!r} has no axis {axis!r}, but {', '.join(table)}"
            )
    finished = table[table["error"] == ""]
    if finished.empty:
        raise argparse.ArgumentTypeError(f"no training of {path!r} has finished")
    labels = finished[axes].agg(", ".join, axis=1)
    return [
        (label, Path(path).parent / folder)
        for label, folder in zip(labels, finished["folder"], strict=True)
    ]


def one_each(runs: Iterable[Mapping[str, Any]]) -> None:
    """
    :param runs: what tells each from the others in a picture, by name
    :raises Sb3ScaleError: if two are alike
    """
    seen: list[Mapping[str, Any]] = []
    for run in runs:
        if run in seen:
            alike = ", ".join(f"{name} {value!r}" for name, value in run.items())
            raise Sb3ScaleError(f"two runs have {alike}; allowed: one")
        seen.append(run)


def styles(labels: Iterable[str]) -> dict[str, tuple[str, str]]:
    """
    :param labels: in the order of the legend
    :return: colour and marker of each
    """
    return dict(zip(labels, zip(cycle(COLOURS), cycle(MARKERS)), strict=False))


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


def draw_seeds(axes: Axes, label: str, by_seed: pandas.DataFrame, style: tuple[str, str]) -> None:
    """
    Draw a thin line per seed and, where all seeds have one, their mean.

    :param axes: to draw on
    :param label: of the mean; the number of seeds is added
    :param by_seed: a column per seed, indexed by what the horizontal axis counts; seeds may have
        been measured at different places
    :param style: colour and marker
    """
    colour, marker = style
    seeds = f"{by_seed.shape[1]} seed{'s' if by_seed.shape[1] > 1 else ''}"
    by_seed = by_seed.interpolate(method="index", limit_area="inside")
    axes.plot(by_seed, color=colour, alpha=0.35, linewidth=1)
    (mean,) = axes.plot(by_seed.mean(axis=1, skipna=False), color=colour, marker=marker)
    mean.set(linewidth=2, markersize=4, label=f"{label} ({seeds})")
