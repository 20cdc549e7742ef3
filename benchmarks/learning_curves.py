r"""
Learning curves of runs of RL-Zoo beside published ones: a picture, a table and the raw figures.

    python benchmarks/learning_curves.py --output docs/results/crossq \
        --run "CrossQ+WN=logs/sac/dog-stand_1" --run "CrossQ+WN=logs/sac/dog-stand_2" \
        --run "SAC=logs/sac/dog-stand_3" --show XQC SAC

Runs with one label are seeds of one configuration. Written are ``OUTPUT.csv``, one line per
evaluation, and ``OUTPUT.png``, with one panel per task; the table goes to the terminal, in
Markdown, ready for a page of the documentation.
"""

from pathlib import Path

import pandas

from lib.reporting import MARKERS, draw_seeds, one_each, panels, run_parser, styles
from sb3_scale.compare import published
from sb3_scale.compare.evaluations import evaluations
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.runs import read_evaluated
from sb3_scale.tables import markdown_table


def draw(curves: pandas.DataFrame, figures: pandas.DataFrame, path: Path) -> None:
    """
    :param curves: of :func:`sb3_scale.compare.evaluations.evaluations`
    :param figures: published ones, of :func:`sb3_scale.compare.published.choose`
    :param path: of the picture
    """
    tasks = curves["task"].unique()
    figure, row = panels(tasks, "environment steps", size=(9, 4.5))
    style = styles(curves["label"].unique())
    for axes, task in zip(row, tasks, strict=True):
        here = curves[curves["task"] == task]
        for label, group in here.groupby("label", sort=False):
            by_seed = group.pivot(index="env_steps", columns="seed", values="mean")
            draw_seeds(axes, label, by_seed, style[label])
        last = here["env_steps"].max()
        theirs = figures[(figures["env"] == task) & (figures["env_steps"] <= last)]
        for marker, algorithm in zip(MARKERS, figures["algorithm"].unique(), strict=False):
            line = theirs[theirs["algorithm"] == algorithm]
            if len(line):
                (curve,) = axes.plot(line["env_steps"], line["mean"], "--", color="#555555")
                curve.set(marker=marker, fillstyle="none", label=f"{algorithm}, published")
        axes.set_ylabel("return of an evaluation episode")
        axes.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure.savefig(path, dpi=130)


def table(curves: pandas.DataFrame) -> str:
    """
    :param curves: of :func:`sb3_scale.compare.evaluations.evaluations`
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
    return markdown_table(head, lines)


def main() -> None:
    """Read the runs, write the files, print the table."""
    parser = run_parser("Learning curves of runs of RL-Zoo beside published ones.")
    parser.add_argument(
        "--show", nargs="*", default=[], help="published algorithms to draw, up to 5"
    )
    arguments = parser.parse_args()
    if (shown := len(arguments.show)) > len(MARKERS):
        parser.error(f"{shown} published algorithms; allowed: up to {len(MARKERS)}")
    try:
        runs = [(label, read_evaluated(folder)) for label, folder in arguments.run]
        one_each({"task": run.env_id, "label": label, "seed": run.seed} for label, run in runs)
        curves = pandas.concat([evaluations(label, run) for label, run in runs])
        figures = published.none()
        if arguments.show:
            figures = published.choose(published.collected(), arguments.show, set(curves["task"]))
    except Sb3ScaleError as error:
        parser.error(str(error))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    curves.to_csv(arguments.output.with_suffix(".csv"), index=False, float_format="%.12g")
    draw(curves, figures, arguments.output.with_suffix(".png"))
    print(table(curves))


if __name__ == "__main__":
    main()
