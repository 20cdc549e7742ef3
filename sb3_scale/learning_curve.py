"""The learning curve of one run."""

from pathlib import Path

import pandas
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from sb3_scale.files import replacing
from sb3_scale.runs import Run

TRAINING, EVALUATION, RANDOM = "#0072B2", "#D55E00", "#555555"
"""Okabe and Ito's colours, which colour-blind readers can tell apart."""


def draw(training: Run, random_return: float | None, path: Path) -> None:
    """
    Draw returns over environment steps.

    :param training: the run
    :param random_return: mean return of a random policy
    :param path: of the picture
    :raises UnwritableError: if it cannot be written
    """
    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    steps = training.finished_at * training.action_repeat
    if len(steps):
        window = max(1, min(50, len(steps) // 10))
        smoothed = pandas.Series(training.returns).rolling(window, min_periods=1).mean()
        label = "training" if window == 1 else f"training, mean of {window} episodes"
        axes.plot(steps, training.returns, ".", color=TRAINING, alpha=0.4, markeredgewidth=0)
        axes.plot(steps, smoothed, color=TRAINING, linewidth=1.5, label=label)
    if len(training.evaluated_at):
        at = training.evaluated_at * training.action_repeat
        mean, std = training.evaluations.mean(axis=1), training.evaluations.std(axis=1)
        axes.fill_between(at, mean - std, mean + std, color=EVALUATION, alpha=0.2, linewidth=0)
        label = f"evaluation, mean ± std of {training.evaluations.shape[1]} episodes"
        axes.plot(at, mean, "o-", color=EVALUATION, linewidth=2, markersize=4, label=label)
    if random_return is not None:
        axes.axhline(random_return, color=RANDOM, linestyle="--", label="random policy")
    axes.set_title(f"{training.algo} on {training.env_id}", loc="left", fontweight="bold")
    axes.set_xlabel("environment steps")
    axes.set_ylabel("return of an episode")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlim(left=0)
    axes.grid(alpha=0.25, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False)
    with replacing(path) as unfinished:
        figure.savefig(unfinished, dpi=150)
