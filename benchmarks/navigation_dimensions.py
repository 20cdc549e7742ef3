r"""
Return and overestimation over the dimension of navigation: figures 3.1 and 3.2 of Hui, "Stabilizing
Q-Learning for Continuous Control", 2022.

    python benchmarks/navigation_dimensions.py --output docs/results/navigation \
        --run "TD2=logs/td2/navigation-10_1" --run "TD2 + LayerNorm=logs/td2/navigation-10_2"

Runs with one label and one dimension are seeds. Each final policy plays ``--episodes`` episodes,
all at once, with its mean action. ``OUTPUT.csv`` has one line per run, ``OUTPUT.png`` a panel with
the normalised return (1 is the best possible) and one with the last figure of the diagnostic
``overestimation``, where the run has it; the terminal gets the table in Markdown. Returns are
interquartile means over the episodes of a run, or of all runs with one label: a start near the
origin makes the normalised return of one episode as far from 1 as it likes.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas
from matplotlib.figure import Figure
from rl_zoo3 import ALGOS
from rliable.metrics import aggregate_iqm

from lib.reporting import panels, run_parser, styles
from sb3_scale.runs import read_run
from sb3_scale.tables import markdown_table
from sb3_scale.zoo import install
from sb3_scale_envs.navigation_vec_env import NavigationVecEnv

OVERESTIMATION = "diagnostics/overestimation/mean"


def normalized_returns(model: Any, env: NavigationVecEnv) -> np.ndarray:
    """
    :param model: a trained agent
    :param env: one environment per episode
    :return: of one episode each, shape ``(n_envs,)``
    """
    observations = env.reset()
    done = np.zeros(env.num_envs, bool)
    infos: list[dict[str, Any]] = []
    # All episodes have one length.
    while not done.any():
        actions, _ = model.predict(observations, deterministic=True)
        observations, _, done, infos = env.step(actions)
    return np.array([info["normalized_return"] for info in infos])


def measure(label: str, folder: Path, episodes: int, seed: int) -> dict[str, Any]:
    """
    :param label: of the run
    :param folder: of the run, for instance ``logs/td2/navigation-10_1``
    :param episodes: to play
    :param seed: of the first episode; the others count from it
    :return: figures by the name of their column
    """
    run = read_run(folder)
    env = NavigationVecEnv(run.env_id, episodes, run.env_kwargs)
    env.seed(seed)
    model = ALGOS[run.algo].load(folder / f"{run.env_name}.zip", device="cpu", trust=False)
    returns = normalized_returns(model, env)
    progress = folder / "progress.csv"
    logged = pandas.read_csv(progress) if progress.exists() else pandas.DataFrame()
    found = logged.get(OVERESTIMATION, pandas.Series(dtype=float)).dropna()
    return {
        "label": label,
        "n": env.action_space.shape[0],  # type: ignore[index]
        "seed": run.seed,
        "env_steps": run.decisions,
        "gradient_steps": model._n_updates,
        "episodes": episodes,
        "returns": returns,
        "normalized_return": round(float(aggregate_iqm(returns)), 4),
        "overestimation": round(float(found.iloc[-1]), 4) if len(found) else np.nan,
    }


def draw(runs: pandas.DataFrame) -> Figure:
    """
    :param runs: of :func:`measure`
    :return: the two panels
    """
    names = {"normalized_return": "normalised return", "overestimation": "overestimation"}
    figure, row = panels(list(names.values()), "dimension", size=(5.5, 4))
    style = styles(runs["label"].unique())
    for axes, column in zip(row, names, strict=True):
        for label, group in runs.groupby("label", sort=False):
            colour, marker = style[label]
            axes.plot(group["n"], group[column], marker, color=colour, alpha=0.35, markersize=4)
            axes.plot(_means(group, column), color=colour, marker=marker, linewidth=2, label=label)
        axes.set_xscale("log")
        axes.set_xticks(sorted(runs["n"].unique()), sorted(runs["n"].unique()))
        axes.minorticks_off()
    row[1].set_yscale("symlog")
    # Its own margins reach far below zero where values are huge.
    row[1].set_ylim(bottom=2 * min(0.0, float(runs["overestimation"].min())))
    row[1].legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def _means(runs: pandas.DataFrame, column: str) -> pandas.Series:
    """Of the runs of each dimension."""
    if column == "normalized_return":
        return runs.groupby("n")["returns"].agg(_iqm)
    return runs.groupby("n")[column].mean()


def _iqm(returns: pandas.Series) -> float:
    """Interquartile mean over all episodes of several runs."""
    return float(aggregate_iqm(np.concatenate(list(returns))))


def table(runs: pandas.DataFrame) -> str:
    """
    :param runs: of :func:`measure`
    :return: one line per label and dimension, in Markdown
    """
    head = ["label", "n", "seeds", "env steps", "gradient steps", "normalised return, IQM", "of"]
    lines = []
    for (label, n), group in runs.groupby(["label", "n"], sort=False):
        steps = [str(group[name].min()) for name in ("env_steps", "gradient_steps")]
        each = ", ".join(f"{score:.4g}" for score in group["normalized_return"])
        iqm = f"{_iqm(group['returns']):.4g}"
        over = ", ".join(f"{value:.3g}" for value in group["overestimation"])
        lines.append([str(label), str(n), str(len(group)), *steps, iqm, each, over])
    return markdown_table([*head, "overestimation of"], lines)


def main() -> None:
    """Play the episodes, write the files, print the table."""
    parser = run_parser("Return and overestimation over the dimension of navigation.")
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1000)
    arguments = parser.parse_args()
    install()
    runs = pandas.DataFrame(
        measure(label, folder, arguments.episodes, arguments.seed)
        for label, folder in arguments.run
    )
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    runs.drop(columns="returns").to_csv(arguments.output.with_suffix(".csv"), index=False)
    draw(runs).savefig(arguments.output.with_suffix(".png"), dpi=130)
    print(table(runs))


if __name__ == "__main__":
    main()
