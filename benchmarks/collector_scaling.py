"""
Decisions per second of collectors on Ray whose environment waits, without learning.

An environment waits 10 ms per step, as a slow simulator does, so that a core carries many of them.
One row per number of collectors, each with one environment and the actor of SAC 2 x 256 on one
thread, in turns, so that a drift of the machine's speed meets all. What counts begins with the
third fragment of each collector, so neither with Ray's start nor theirs. Linear is the rate of one
collector times their number, in the same round. Run it on an idle machine:

    python benchmarks/collector_scaling.py
"""

import argparse
import os
import platform
from functools import partial
from typing import Any

import numpy as np
import ray
import torch as th
from rich.console import Console
from rich.progress import track
from rich.table import Table

import sb3_scale
from lib.rates import decisions_per_second
from lib.waiting import Waiting
from sb3_scale.collection.unmade import UnmadeVecEnv

COLLECTORS = (1, 2, 4, 8, 16)
OBSERVATIONS, ACTIONS = 67, 21
NETWORK = {"name": "mlp", "width": 256, "depth": 2}


def measure(collectors: int, args: argparse.Namespace) -> float:
    """
    :param collectors: how many
    :param args: of the command line
    :return: decisions per second of all together
    """
    make = partial(Waiting, args.milliseconds / 1000, OBSERVATIONS, ACTIONS)
    settings: dict[str, Any] = {
        "policy_kwargs": {
            "actor": {"name": "squashed-gaussian", "network": NETWORK},
            "critic": {"name": "ensemble", "network": NETWORK},
        },
        "collector": {
            "name": "ray",
            "collectors": collectors,
            "envs": 1,
            "cpus": 0.1,
            "fragment_length": args.fragment_length,
            "start_timeout": 600,
        },
        "buffer_size": 10_000,
        "learning_starts": 0,
        "train_freq": args.fragment_length,
        "gradient_steps": 0,
    }
    unmade = UnmadeVecEnv([make] * collectors)
    model = sb3_scale.SAC("ScalePolicy", unmade, device="cpu", seed=0, **settings)
    first = 2 * collectors * args.fragment_length
    return decisions_per_second(model, first, args.seconds)


def arguments() -> argparse.Namespace:
    """
    :return: of the command line
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--collectors", nargs="+", type=int, default=list(COLLECTORS))
    parser.add_argument("--milliseconds", type=float, default=10, help="of a step")
    parser.add_argument("--fragment-length", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each number of collectors")
    parser.add_argument("--seconds", type=float, default=10, help="length of a turn, without start")
    return parser.parse_args()


def main() -> None:
    """Print one table: medians, and the share of linear with its quartiles over the rounds."""
    args = arguments()
    counts = sorted({1, *args.collectors})
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        "local",
        num_cpus=max(counts),
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
    )
    rates: dict[int, list[float]] = {count: [] for count in counts}
    for round_ in track(range(args.rounds), "rounds", transient=True):
        first = round_ % len(counts)
        for count in counts[first:] + counts[:first]:
            rates[count].append(measure(count, args))
    ray.shutdown()
    console = Console()
    console.print(
        f"decisions per second, {args.milliseconds:g} ms per step, {OBSERVATIONS} observations, "
        f"{ACTIONS} actions, fragments of {args.fragment_length}, {args.rounds} rounds of "
        f"{args.seconds} s; {platform.machine()}, {os.cpu_count()} cores, Ray {ray.__version__}, "
        f"PyTorch {th.__version__}"
    )
    table = Table("collectors", "decisions per second", "of linear (quartiles)")
    for count, found in rates.items():
        shares = np.divide(found, np.multiply(rates[1], count))
        low, middle, high = np.percentile(shares, [25, 50, 75])
        shown = f"{middle:.1%} ({low:.1%}-{high:.1%})"
        table.add_row(str(count), f"{np.median(found):.1f}", shown)
    console.print(table)


if __name__ == "__main__":
    main()
