r"""
Figures of what is logged over the training, diagnostics for instance, of several runs.

    python benchmarks/diagnostic_curves.py --output docs/results/weight-norm \
        --key diagnostics/weight_norm/critic/network.linears.1 --key diagnostics/q_value/mean \
        --run "CrossQ+WN=logs/sac/dog-stand_1" --run "CrossQ=logs/crossq/dog-stand_1"

Runs with one label are seeds of one configuration. It reads ``progress.csv``, which the callback
``csv-logger`` writes, and before a run that goes on by ``--resume`` those that it goes on from.
Written are ``OUTPUT.csv`` with one line per run, key and measurement, and ``OUTPUT.png`` with one
panel per key.
"""

import math
from pathlib import Path

import pandas
from matplotlib.artist import Artist

from lib.reporting import draw_seeds, one_each, panels, run_parser, styles
from sb3_scale.errors import Sb3ScaleError, suggestion
from sb3_scale.monitors import decisions_before
from sb3_scale.notices import notice
from sb3_scale.runs import read_run

PROGRESS = "progress.csv"

STEPS = "time/total_timesteps"

PRETRAINING = "pretraining/step"
"""The steps of a pre-training, all of which happen at one decision."""


def measurements(label: str, seed: int, folder: Path, keys: list[str]) -> pandas.DataFrame:
    """
    :param label: of the run
    :param seed: of the run
    :param folder: of the run, for instance ``logs/sac/dog-stand_1``
    :param keys: columns of the run's progress.csv
    :return: columns ``label``, ``seed``, ``decisions``, ``key`` and ``value``; keys a run lacks are
        left out, and for those of a pre-training ``decisions`` are its steps
    :raises Sb3ScaleError: if the run has no ``progress.csv``
    """
    if not (folder / PROGRESS).is_file():
        raise Sb3ScaleError(f"'{folder}' has no {PROGRESS}; train with callback: csv-logger")
    parts = [(_read(one), limit) for one, limit in lineage(folder)]
    progress = pandas.concat([part[~(part[STEPS] > limit)] for part, limit in parts])
    columns = ["label", "seed", "decisions", "key", "value"]
    found = []
    for key in (key for key in keys if key in progress):
        step = PRETRAINING if key.startswith("pretraining/") else STEPS
        pairs = progress[[step, key]].dropna().set_axis(["decisions", "value"], axis=1)
        # A figure may be dumped twice at one step.
        last = pairs.drop_duplicates("decisions", keep="last")
        found.append(last.assign(label=label, seed=seed, key=key))
    return pandas.concat(found)[columns] if found else pandas.DataFrame(columns=columns)


def lineage(folder: Path) -> list[tuple[Path, float]]:
    """
    :param folder: of a run
    :return: it and those that it counts on from, the oldest first, each with the decisions up to
        which it is part of the run; the notice tells of one that is gone
    """
    found: dict[Path, float] = {folder.resolve(): math.inf}
    limit = math.inf
    while (decisions := decisions_before(folder)) is not None:
        agent, limit = read_run(folder).trained_agent, min(limit, decisions)
        before = agent.parent.resolve() if agent else folder.resolve()
        if before in found or not (before / PROGRESS).is_file():
            notice(
                f"'{folder}' goes on from '{agent}', beside which there is no {PROGRESS}: what "
                f"was logged up to decision {decisions:,} is left out"
            )
            break
        found[before], folder = limit, before
    return list(found.items())[::-1]


def columns_of(folder: Path) -> list[str]:
    """
    :param folder: of a run
    :return: what it logged
    """
    return list(_read(folder))


def _read(folder: Path) -> pandas.DataFrame:
    try:
        table = pandas.read_csv(folder / PROGRESS)
    except pandas.errors.EmptyDataError:
        # Of a run that was killed before it logged anything.
        table = pandas.DataFrame()
    return table.reindex(columns=table.columns.union([STEPS], sort=False))


def draw(figures: pandas.DataFrame, keys: list[str], path: Path) -> None:
    """
    :param figures: of :func:`measurements`
    :param keys: one panel each
    :param path: of the picture
    """
    figure, row = panels(keys, "decisions", size=(7, 4))
    style = styles(figures["label"].unique())
    legend: dict[str, Artist] = {}
    for axes, key in zip(row, keys, strict=True):
        here = figures[figures["key"] == key]
        for label, group in here.groupby("label", sort=False):
            by_seed = group.pivot(index="decisions", columns="seed", values="value")
            draw_seeds(axes, label, by_seed, style[label])
        if key.startswith("pretraining/"):
            axes.set_xlabel("steps")
        lines, labels = axes.get_legend_handles_labels()
        legend |= dict(zip(labels, lines, strict=True))
    figure.legend(legend.values(), legend, loc="outside right center", frameon=False)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Read the runs, write the files."""
    parser = run_parser("Figures of what is logged over the training, several runs side by side.")
    parser.add_argument("--key", action="append", required=True, help="a column of progress.csv")
    arguments = parser.parse_args()
    try:
        runs = [(label, read_run(folder).seed, folder) for label, folder in arguments.run]
        one_each({"label": label, "seed": seed} for label, seed, _ in runs)
        figures = pandas.concat([measurements(*run, arguments.key) for run in runs])
    except Sb3ScaleError as error:
        parser.error(str(error))
    for key in arguments.key:
        if key not in set(figures["key"]):
            known = {name for _, _, folder in runs for name in columns_of(folder)}
            parser.error(f"no run has the column '{key}'" + suggestion(key, known))
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figures.to_csv(arguments.output.with_suffix(".csv"), index=False)
    draw(figures, arguments.key, arguments.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
