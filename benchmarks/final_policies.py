r"""
Return and Q bias of the final policies of runs, over more episodes than an evaluation in training.

    python benchmarks/final_policies.py --output docs/results/dog-stand-utd-final --episodes 20 \
        --run "UTD 1=logs/sac/dog-stand_1" --run "UTD 5=logs/sac/dog-stand_2"

``OUTPUT.csv`` has one line per run: mean and deviation of the returns over ``episodes`` episodes,
and the bias of the diagnostic ``q-bias``, which is mean and deviation of ``(Q - G) / |mean G|`` and
the mean of G, over a quarter as many episodes. The terminal gets the table in Markdown.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas
from rl_zoo3 import ALGOS
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import VecEnv, unwrap_vec_normalize

from lib.reporting import run_parser
from sb3_scale.diagnostics.q_bias import QBias
from sb3_scale.runs import Run, read_run
from sb3_scale.saved_statistics import statistics_of
from sb3_scale.tables import markdown_table
from sb3_scale.trust.files import read_vec_normalize
from sb3_scale.zoo import install
from sb3_scale.zoo.played_env import played_env

KINDS = {"mean_action": True, "sampled": False}
"""Kinds of episodes, and whether their actions are deterministic."""
BIAS = ("mean", "std", "return")
"""Figures of the diagnostic ``q-bias``."""


def environment(run: Run, model: Path) -> VecEnv:
    """
    :param run: what RL-Zoo wrote
    :param model: its zip file, in the folder of the run
    :return: its environment, with the statistics of its normalisation as they were at the end
    """
    settings = model.parent / run.env_name
    statistics = statistics_of(model, settings)
    env = played_env(run.env_id, run.env_kwargs, settings, statistics, seed=0)
    normalize = unwrap_vec_normalize(env)
    if normalize is not None and statistics is not None:
        # The critic's values are of the rewards that it learned from, which RL-Zoo leaves out.
        normalize.norm_reward = read_vec_normalize(statistics).norm_reward
    return env


def measure(label: str, folder: Path, episodes: int, seed: int) -> dict[str, Any]:
    """
    :param label: of the run
    :param folder: of the run, for instance ``logs/sac/dog-stand_1``
    :param episodes: to play with the mean action, and as many with sampled ones
    :param seed: of the first episode
    :return: figures by the name of their column
    """
    run = read_run(folder)
    path = folder / f"{run.env_name}.zip"
    env = environment(run, path)
    model = ALGOS[run.algo].load(path, env=env, device="cpu", trust=False)
    model.set_logger(configure(None, []))
    figures: dict[str, Any] = {
        "label": label,
        "seed": run.seed,
        "decisions": run.decisions,
        "episodes": episodes,
    }
    for kind, deterministic in KINDS.items():
        env.seed(seed)
        returns, _ = evaluate_policy(
            model, env, episodes, deterministic=deterministic, return_episode_rewards=True
        )
        figures[f"{kind}_return_mean"] = round(float(np.mean(returns)), 2)
        figures[f"{kind}_return_std"] = round(float(np.std(returns)), 2)
    bias = QBias(n_episodes=max(1, episodes // 4))
    bias.init_callback(model)
    bias.on_training_start({}, {})
    bias.measure()
    bias.on_training_end()
    for name in BIAS:
        value = model.logger.name_to_value[f"diagnostics/q_bias/{name}"]
        figures[f"q_bias_{name}"] = round(float(value), 3)
    env.close()
    return figures


def table(policies: list[dict[str, Any]]) -> str:
    """
    :param policies: of :func:`measure`
    :return: one line each, in Markdown
    """
    columns = ["label", "seed", "decisions"]
    head = [
        *columns,
        *(f"{kind.replace('_', ' ')}, return ± std (episodes)" for kind in KINDS),
        *(f"q bias, {name}" for name in BIAS),
    ]
    lines = [
        [
            *(str(row[name]) for name in columns),
            *(
                f"{row[f'{kind}_return_mean']:.1f} ± {row[f'{kind}_return_std']:.1f} "
                f"({row['episodes']})"
                for kind in KINDS
            ),
            *(str(row[f"q_bias_{name}"]) for name in BIAS),
        ]
        for row in policies
    ]
    return markdown_table(head, lines)


def main() -> None:
    """Play the episodes, write the file, print the table."""
    parser = run_parser("Return and Q bias of the final policies of runs.")
    parser.add_argument("--episodes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    install()
    lines = []
    for label, folder in arguments.run:
        lines.append(measure(label, folder, arguments.episodes, arguments.seed))
        print(lines[-1], flush=True)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    pandas.DataFrame(lines).to_csv(arguments.output.with_suffix(".csv"), index=False)
    print(table(lines))


if __name__ == "__main__":
    main()
