"""
Decisions per second of a training with collectors on Ray, next to those with the other collectors.

SAC 2 x 256 with as many environments for each: one after the other in this process (``local``), in
processes of their own that step while the networks learn (``overlapped``, ``SubprocVecEnv``), and
with few or many collectors on Ray, with one gradient step per decision or with none, in turns, so
that a drift of the machine's speed meets all. One task only waits, 10 ms per step, as a slow
simulator does. What counts begins when gradient steps do. Run it on an idle machine:

    python benchmarks/collector_gain.py
"""

import argparse
import os
import platform
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import ray
import torch as th
from rich.console import Console
from rich.progress import track
from rich.table import Table
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

import sb3_scale
from lib.rates import decisions_per_second
from lib.waiting import Waiting
from sb3_scale.collection.unmade import UnmadeVecEnv

WAITING = "waiting"
TASKS = ("Pendulum-v1", "dog-run", WAITING)
NETWORK = {"name": "mlp", "width": 256, "depth": 2}
STARTS = 512
"""Decisions before the first gradient step."""

MakeEnv = Callable[[], Any]


def make_env(task: str) -> Any:
    """
    :param task: id of an environment, or ``waiting``
    :return: the environment
    """
    sb3_scale.register_envs()
    return Waiting(0.01, 67, 21) if task == WAITING else gymnasium.make(task)


def sides(collectors: int, envs: int) -> dict[str, tuple[Any, Any]]:
    """
    :param collectors: on Ray
    :param envs: environments of each
    :return: by name, what makes the environments and the collector
    """
    apart = partial(SubprocVecEnv, start_method="fork")
    found: dict[str, tuple[Any, Any]] = {
        "local": (DummyVecEnv, "local"),
        "overlapped": (apart, "overlapped"),
    }
    for many, each in dict.fromkeys([(collectors, envs), (collectors * envs, 1)]):
        on_ray = {"name": "ray", "collectors": many, "envs": each}
        found[f"ray, {many} x {each}"] = (UnmadeVecEnv, on_ray)
    return found


def measure(task: str, updates: int, make_envs: Any, collector: Any, args: Any) -> float:
    """
    :param task: id of the environment
    :param updates: gradient steps per decision
    :param make_envs: makes one ``VecEnv``
    :param collector: of the algorithm
    :param args: of the command line
    :return: decisions per second
    """
    n_envs = args.collectors * args.envs
    settings: dict[str, Any] = {
        "policy_kwargs": {
            "actor": {"name": "squashed-gaussian", "network": NETWORK},
            "critic": {"name": "ensemble", "network": NETWORK},
        },
        "collector": collector,
        "buffer_size": 50_000,
        "learning_starts": STARTS,
        "gradient_steps": updates * n_envs,
        "compile": False,
    }
    envs = make_envs([partial(make_env, task)] * n_envs)
    model = sb3_scale.SAC("ScalePolicy", envs, device="cpu", seed=0, **settings)
    rate = decisions_per_second(model, STARTS + 2 * n_envs, args.seconds)
    envs.close()
    return rate


def arguments() -> argparse.Namespace:
    """
    :return: of the command line
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--updates", nargs="+", type=int, default=[0, 1], help="per decision")
    parser.add_argument("--collectors", type=int, default=2)
    parser.add_argument("--envs", type=int, default=4, help="of each collector")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=10, help="length of a turn, without start")
    return parser.parse_args()


def main() -> None:
    """Print one table of medians."""
    args = arguments()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    sb3_scale.register_envs()
    ray.init(
        "local",
        num_cpus=args.collectors * args.envs,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
    )
    ways = sides(args.collectors, args.envs)
    rows = [(task, updates) for task in args.tasks for updates in args.updates]
    rates: dict[tuple[str, int], dict[str, list[float]]] = {
        row: {name: [] for name in ways} for row in rows
    }
    for _ in track(range(args.rounds), "rounds", transient=True):
        for row in rows:
            for name, way in ways.items():
                rates[row][name].append(measure(*row, *way, args))
    ray.shutdown()
    console = Console()
    console.print(
        f"decisions per second, {args.collectors * args.envs} environments, medians of "
        f"{args.rounds} rounds of {args.seconds} s; {platform.machine()}, {os.cpu_count()} cores, "
        f"Ray {ray.__version__}, PyTorch {th.__version__}"
    )
    table = Table("task", "gradient steps per decision", *ways)
    for (task, updates), found in rates.items():
        medians = (f"{np.median(rate):.0f}" for rate in found.values())
        table.add_row(task, str(updates), *medians)
    console.print(table)


if __name__ == "__main__":
    main()
