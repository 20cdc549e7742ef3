r"""
Figures of the diagnostics over the training, for several runs side by side.

    python benchmarks/diagnostic_curves.py --output docs/results/weight-norm \
        --key weight_norm/critic/network.linears.1 --key q_value/mean \
        --run "CrossQ+WN=logs/sac/dog-stand_1" --run "CrossQ=logs/crossq/dog-stand_1"

It reads ``progress.csv``, which the callback ``csv-logger`` writes. Written are ``OUTPUT.csv`` with
one line per run, key and measurement, and ``OUTPUT.png`` with one panel per key.
"""

import argparse
from itertools import cycle
from pathlib import Path

import pandas
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from learning_curves import COLOURS


def measurements(label: str, folder: Path, keys: list[str]) -> pandas.DataFrame:
    """
    :param label: of the run
    :param folder: of the run, for instance ``logs/sac/dog-stand_1``
    :param keys: of the diagnostics, without ``diagnostics/``
    :return: columns ``label``, ``decisions``, ``key`` and ``value``; keys a run lacks are left out
    """
    progress = pandas.read_csv(folder / "progress.csv")
    columns = {f"diagnostics/{key}": key for key in keys if f"diagnostics/{key}" in progress}
    chosen = progress[["time/total_timesteps", *columns]].rename(columns=columns)
    long = chosen.melt("time/total_timesteps", var_name="key", value_name="value").dropna()
    long = long.rename(columns={"time/total_timesteps": "decisions"})
    long.insert(0, "label", label)
    return long


def draw(figures: pandas.DataFrame, keys: list[str], path: Path) -> None:
    """
    :param figures: of :func:`measurements`
    :param keys: one panel each
    :param path: of the picture
    """
    figure = Figure(figsize=(6 * len(keys), 4), layout="constrained")
    panels = figure.subplots(1, len(keys), squeeze=False)[0]
    colours = dict(zip(figures["label"].unique(), cycle(COLOURS), strict=False))
    for axes, key in zip(panels, keys, strict=True):
        here = figures[figures["key"] == key]
        for label, run in here.groupby("label", sort=False):
            axes.plot(run["decisions"], run["value"], color=colours[label], label=label)
        axes.set_title(key, loc="left", fontweight="bold")
        axes.set_xlabel("decisions")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.grid(alpha=0.25, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Read the runs, write the files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1] if __doc__ else None)
    parser.add_argument("--run", action="append", required=True, metavar="LABEL=FOLDER")
    parser.add_argument("--key", action="append", required=True, help="without diagnostics/")
    parser.add_argument("--output", type=Path, required=True, help="path without an ending")
    arguments = parser.parse_args()
    labelled = (run.partition("=") for run in arguments.run)
    figures = pandas.concat(
        [measurements(label, Path(folder), arguments.key) for label, _, folder in labelled]
    )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figures.to_csv(arguments.output.with_suffix(".csv"), index=False)
    draw(figures, arguments.key, arguments.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
