r"""
Learning curves of runs of RL-Zoo beside published ones: a picture, a table and the raw figures.

    python benchmarks/learning_curves.py --output docs/results/crossq \
        --run "CrossQ+WN=logs/sac/dog-stand_1" --run "CrossQ+WN=logs/sac/dog-stand_2" \
        --run "SAC=logs/sac/dog-stand_3" --published docs/results/published.csv --show XQC SAC

Runs with one label are seeds of one configuration. Written are ``OUTPUT.csv``, one line per
evaluation, and ``OUTPUT.png``, with one panel per task; the table goes to the terminal, in
Markdown, ready for a page of the documentation.
"""

import argparse
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import yaml
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from sb3_scale.cli.runs import read_run

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Okabe and Ito's colours, which colour-blind readers can tell apart."""


class _Loader(yaml.SafeLoader):
    """RL-Zoo writes an ordered dictionary; its pairs are all that matters."""


_Loader.add_multi_constructor(
    "tag:yaml.org,2002:python/",
    lambda loader, _, node: loader.construct_sequence(node, deep=True),
)


def evaluations(label: str, folder: Path) -> pandas.DataFrame:
    """
    :param label: of the configuration
    :param folder: of a run, for instance ``logs/sac/dog-stand_1``
    :return: one line per evaluation, with all counts that a comparison needs
    """
    run = read_run(folder)
    settings_folder = next(folder.glob("*/args.yml")).parent
    arguments, settings = (
        dict(yaml.load((settings_folder / name).read_text(), _Loader)[0])
        for name in ("args.yml", "config.yml")
    )
    utd = settings.get("gradient_steps", 1) / settings.get("train_freq", 1)
    updates = np.maximum(0, run.evaluated_at - settings.get("learning_starts", 100)) * utd
    return pandas.DataFrame(
        {
            "task": run.env_id,
            "label": label,
            "seed": arguments["seed"],
            "utd": utd,
            "action_repeat": run.action_repeat,
            "decisions": run.evaluated_at,
            "env_steps": run.evaluated_at * run.action_repeat,
            "gradient_steps": updates.astype(int),
            "episodes": run.evaluations.shape[1],
            "mean": run.evaluations.mean(axis=1).round(2),
            "std": run.evaluations.std(axis=1).round(2),
        }
    )


def draw(
    curves: pandas.DataFrame, published: pandas.DataFrame, shown: list[str], path: Path
) -> None:
    """
    :param curves: of :func:`evaluations`
    :param published: columns ``env``, ``algorithm``, ``env_steps``, ``mean``
    :param shown: published algorithms to draw
    :param path: of the picture
    """
    tasks = curves["task"].unique()
    figure = Figure(figsize=(9 * len(tasks), 4.5), layout="constrained")
    panels = figure.subplots(1, len(tasks), squeeze=False)[0]
    colour = dict(zip(curves["label"].unique(), cycle(COLOURS), strict=False))
    markers = dict(zip(colour, np.repeat(["o", "s", "^"], len(COLOURS)), strict=False))
    for axes, task in zip(panels, tasks, strict=True):
        here = curves[curves["task"] == task]
        for label, group in here.groupby("label", sort=False):
            by_seed = group.pivot(index="env_steps", columns="seed", values="mean")
            seeds = f"{by_seed.shape[1]} seed{'s' if by_seed.shape[1] > 1 else ''}"
            axes.plot(by_seed, color=colour[label], alpha=0.35, linewidth=1)
            axes.plot(
                by_seed.mean(axis=1), color=colour[label], marker=markers[label], markersize=4,
                linewidth=2,
                label=f"{label} ({seeds})",
            )  # fmt: skip
        last = here["env_steps"].max()
        theirs = published[(published["env"] == task) & (published["env_steps"] <= last)]
        for style, algorithm in zip(("--", "-.", ":", (0, (1, 4))), shown, strict=False):
            line = theirs[theirs["algorithm"] == algorithm].sort_values("env_steps")
            if len(line):
                axes.plot(
                    line["env_steps"], line["mean"], color="#555555", linestyle=style, marker="x",
                    label=f"{algorithm}, published",
                )  # fmt: skip
        axes.set_title(task, loc="left", fontweight="bold")
        axes.set_xlabel("environment steps")
        axes.set_ylabel("return of an evaluation episode")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=130)


def table(curves: pandas.DataFrame) -> str:
    """
    :param curves: of :func:`evaluations`
    :return: the last evaluation of each seed, in Markdown
    """
    columns = [
        "task", "label", "seed", "env_steps", "decisions", "gradient_steps", "action_repeat", "utd",
    ]  # fmt: skip
    last = curves.groupby(["task", "label", "seed"], sort=False).tail(1)
    lines = [[str(value) for value in row] for row in last[columns].to_numpy()]
    for line, (_, row) in zip(lines, last.iterrows(), strict=True):
        line.append(f"{row['mean']:.1f} ± {row['std']:.1f} ({row['episodes']})")
    head = [*(name.replace("_", " ") for name in columns), "return ± std (episodes)"]
    rows: list[Any] = [head, ["---"] * len(head), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    """Read the runs, write the files, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("--run", action="append", required=True, metavar="LABEL=FOLDER")
    parser.add_argument("--output", type=Path, required=True, help="path without an ending")
    parser.add_argument("--published", type=Path, help="CSV: env, algorithm, env_steps, mean")
    parser.add_argument("--show", nargs="*", default=[], help="published algorithms to draw")
    arguments = parser.parse_args()
    labelled = (run.partition("=") for run in arguments.run)
    curves = pandas.concat([evaluations(label, Path(folder)) for label, _, folder in labelled])
    columns = ["env", "algorithm", "env_steps", "mean"]
    empty = pandas.DataFrame(columns=columns)
    published = pandas.read_csv(arguments.published) if arguments.published else empty
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    curves.to_csv(arguments.output.with_suffix(".csv"), index=False)
    draw(curves, published, arguments.show, arguments.output.with_suffix(".png"))
    print(table(curves))


if __name__ == "__main__":
    main()
