r"""
Figures of the diagnostics over the training, for several runs side by side.

    python benchmarks/diagnostic_curves.py --output docs/results/weight-norm \
        --key weight_norm/critic/network.linears.1 --key q_value/mean \
        --run "CrossQ+WN=logs/sac/dog-stand_1" --run "CrossQ=logs/crossq/dog-stand_1"

It reads ``progress.csv``, which the callback ``csv-logger`` writes. Written are ``OUTPUT.csv`` with
one line per run, key and measurement, and ``OUTPUT.png`` with one panel per key.
"""

from pathlib import Path

import pandas

from reporting import panels, run_parser, styles


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
    figure, row = panels(keys, "decisions", size=(6, 4))
    style = styles(figures["label"].unique())
    for axes, key in zip(row, keys, strict=True):
        here = figures[figures["key"] == key]
        for label, run in here.groupby("label", sort=False):
            axes.plot(run["decisions"], run["value"], color=style[label][0], label=label)
        axes.legend(frameon=False)
    figure.savefig(path, dpi=130)


def main() -> None:
    """Read the runs, write the files."""
    parser = run_parser("Figures of the diagnostics over the training, several runs side by side.")
    parser.add_argument("--key", action="append", required=True, help="without diagnostics/")
    arguments = parser.parse_args()
    figures = pandas.concat(
        [measurements(label, folder, arguments.key) for label, folder in arguments.run]
    )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    figures.to_csv(arguments.output.with_suffix(".csv"), index=False)
    draw(figures, arguments.key, arguments.output.with_suffix(".png"))


if __name__ == "__main__":
    main()
