"""How a comparison is drawn."""

import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, FuncFormatter, MaxNLocator

from sb3_scale.compare.curves import Curve
from sb3_scale.compare.palette import FAINT, INK, MARKERS, Style, styles
from sb3_scale.compare.statistics import AGGREGATES
from sb3_scale.compare.summary import Summary

LOOK = {
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.edgecolor": FAINT,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": FAINT,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.6,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "legend.frameon": False,
    "font.size": 10,
    # A label may have dollar signs of its own.
    "text.parse_math": False,
    "svg.fonttype": "none",
}
WIDTH = 40
"""Letters of a label in a drawing."""


@contextmanager
def look() -> Iterator[None]:
    """Draw and save as these drawings look."""
    with mpl.rc_context(LOOK), warnings.catch_warnings():
        # The page has letters that matplotlib's font lacks.
        warnings.filterwarnings("ignore", r"Glyph .* missing from font")
        yield


def short(label: str) -> str:
    """
    :param label: of any length
    :return: what fits into a drawing
    """
    return textwrap.shorten(label, WIDTH, placeholder="...") if len(label) > WIDTH else label


def gid(style: Style, name: str, part: str) -> str:
    """
    :param style: of a label
    :param name: of the figure
    :param part: of the label's drawing
    :return: an id of the page, by which it finds what belongs to the label
    """
    return f"{name}--label-{style.number}--{part}"


def interval_panels(summary: Summary, name: str) -> Figure:
    """
    :param summary: of the comparison
    :param name: of the figure
    :return: each statistic of each label, a panel per statistic
    """
    labels = summary.field.labels
    style = styles(labels)
    figure = Figure(figsize=(11, 1.3 + 0.36 * len(labels)), layout="constrained")
    row = figure.subplots(1, len(AGGREGATES), sharey=True, squeeze=False)[0]
    for axes, statistic in zip(row, AGGREGATES, strict=True):
        lines = summary.aggregates[summary.aggregates["statistic"] == statistic]
        for y, (_, line) in enumerate(lines.iterrows()):
            look_of = style[line["label"]]
            _interval(axes, line, y, look_of.colour, gid(look_of, name, f"{statistic[:3]}"))
        axes.set_title(f"{statistic} \N{DOWNWARDS ARROW}" if "gap" in statistic else statistic)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.grid(visible=False, axis="y")
        axes.tick_params(axis="y", length=0)
    counted = [f"{short(label)} (n = {summary.field.seeds(label)})" for label in labels]
    row[0].set_yticks(range(len(labels)), counted)
    row[0].set_ylim(len(labels) - 0.5, -0.5)
    figure.supxlabel("normalised return", fontsize=10)
    return figure


def _interval(axes: Axes, line: "pandas.Series[Any]", y: float, colour: str, name: str) -> None:
    if np.isfinite(line["low"]):
        (bar,) = axes.plot([line["low"], line["high"]], [y, y], color=colour, linewidth=9)
        bar.set(alpha=0.35, solid_capstyle="butt", gid=f"{name}-bar")
    (point,) = axes.plot(line["value"], y, "|", color=colour, markersize=13, markeredgewidth=2.5)
    point.set_gid(f"{name}-point")


def improvement(summary: Summary, name: str) -> Figure:
    """
    :param summary: of the comparison, of two labels or more
    :param name: of the figure
    :return: the probability of improvement of each pair
    """
    pairs = summary.improvement
    figure = Figure(figsize=(9, 1.2 + 0.34 * len(pairs)), layout="constrained")
    axes = figure.subplots()
    for y, (_, line) in enumerate(pairs.iterrows()):
        _interval(axes, line, y, FAINT, f"{name}--pair-{y}")
    axes.axvline(0.5, color=FAINT, linestyle="--", linewidth=1)
    axes.set_yticks(range(len(pairs)), [short(one) for one in pairs["label"]])
    axes.set_ylim(len(pairs) - 0.5, -0.5)
    axes.set_xlim(-0.02, 1.02)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel("P(X > Y)")
    right = axes.secondary_yaxis("right")
    right.set_yticks(range(len(pairs)), [short(one) for one in pairs["than"]])
    for each in (axes, right):
        each.tick_params(axis="y", length=0)
    right.spines["right"].set_visible(False)
    axes.set_title("X")
    axes.set_title("Y", loc="right", fontweight="bold")
    return figure


def profile(summary: Summary, name: str) -> Figure:
    """
    :param summary: of the comparison
    :param name: of the figure
    :return: share of the runs above each normalised return
    """
    labels = summary.field.labels
    figure, axes = _panel()
    for label, style in styles(labels).items():
        lines = summary.profile[summary.profile["label"] == label]
        at, value = lines["threshold"].to_numpy(), lines["value"].to_numpy()
        (line,) = axes.plot(at, value, color=style.colour, linewidth=2, drawstyle="steps-post")
        line.set_gid(gid(style, name, "line"))
        _band(axes, at, lines["low"], lines["high"], style, name, step="post")
    axes.set_xlabel("normalised return")
    axes.set_ylabel("share of runs above it")
    axes.set_ylim(-0.02, 1.02)
    _legend(figure, summary, labels, markers=False)
    return figure


def over_training(
    summary: Summary, name: str, drawn: Sequence[Curve], axis: str, y_label: str
) -> Figure:
    """
    :param summary: of the comparison
    :param name: of the figure
    :param drawn: curves of labels
    :param axis: ``"env_steps"`` or ``"seconds"``
    :param y_label: of the vertical axis
    :return: them, with thin lines for seeds
    """
    figure, axes = _panel()
    style = styles(summary.field.labels)
    scale = 1 / 60 if axis == "seconds" else 1.0
    for curve in drawn:
        one = style[curve.label]
        for number, (at, values) in enumerate(curve.seeds):
            (line,) = axes.plot(at * scale, values, color=one.colour, alpha=0.35, linewidth=0.9)
            line.set_gid(gid(one, name, f"seed-{number}"))
        at = curve.at * scale
        _band(axes, at, curve.iqm.low, curve.iqm.high, one, name)
        every = max(1, len(at) // 10)
        (line,) = axes.plot(at, curve.iqm.value, color=one.colour, marker=one.marker)
        line.set(linewidth=2.2, markersize=5, markevery=every, gid=gid(one, name, "line"))
    axes.set_xlabel("environment steps" if axis == "env_steps" else "wall clock, minutes")
    axes.xaxis.set_major_formatter(
        EngFormatter(sep="") if axis == "env_steps" else FuncFormatter(lambda x, _: f"{x:g}")
    )
    axes.set_ylabel(y_label)
    axes.set_xlim(left=0)
    _legend(figure, summary, [curve.label for curve in drawn])
    return figure


def of_task(summary: Summary, name: str, task: str) -> Figure:
    """
    :param summary: of the comparison
    :param name: of the figure
    :param task: id of the environment
    :return: its curves over environment steps, with published ones
    """
    drawn = summary.over_steps[task]
    figure = over_training(summary, name, drawn, "env_steps", "return of an evaluation episode")
    axes = figure.axes[0]
    at = summary.field.at[task]
    last = max(line_at[-1] for curve in drawn for line_at, _ in curve.seeds)
    theirs = summary.published
    theirs = theirs[(theirs["env"] == task) & (theirs["env_steps"] <= last)]
    handles = []
    algorithms = list(summary.published["algorithm"].unique())
    for algorithm, lines in theirs.groupby("algorithm", sort=False):
        number = algorithms.index(algorithm)
        (line,) = axes.plot(lines["env_steps"], lines["mean"], color=FAINT, linewidth=1.3)
        line.set_linestyle(("--", ":")[number // len(MARKERS) % 2])
        line.set(marker=MARKERS[number % len(MARKERS)], fillstyle="none", markersize=6)
        line.set(gid=f"{name}--published-{number}", label=f"{short(algorithm)}, published")
        handles.append(line)
    if last > at:
        line = axes.axvline(at, color=FAINT, linewidth=1, linestyle="-.")
        line.set_label("compared here")
        handles.append(line)
    _legend(figure, summary, [curve.label for curve in drawn], handles, task)
    return figure


def _panel() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(9, 4.6), layout="constrained")
    return figure, figure.subplots()


def _band(
    axes: Axes, at: Any, low: Any, high: Any, style: Style, name: str, step: Any = None
) -> None:
    band = axes.fill_between(at, low, high, color=style.colour, alpha=0.2, linewidth=0, step=step)
    band.set_gid(gid(style, name, "band"))


def _legend(
    figure: Figure,
    summary: Summary,
    labels: Sequence[str],
    further: Sequence[Line2D] = (),
    task: str = "",
    markers: bool = True,
) -> None:
    style = styles(summary.field.labels)
    handles, texts = [], []
    for label in labels:
        one = style[label]
        marker = one.marker if markers else ""
        handles.append(Line2D([], [], color=one.colour, marker=marker, linewidth=2.2, markersize=5))
        seeds = len(summary.field.of(label, task)) if task else summary.field.seeds(label)
        texts.append(f"{short(label)} (n = {seeds})")
    handles += further
    texts += [str(line.get_label()) for line in further]
    for old in figure.legends:
        old.remove()
    legend = figure.legend(handles, texts, loc="outside right upper")
    for text in legend.get_texts():
        text.set_parse_math(False)
