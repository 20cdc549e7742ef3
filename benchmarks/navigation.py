"""
Steps per second of many environments of navigation, without learning.

One row per dimension: Gymnasium's environments one after the other in Stable-Baselines3's
DummyVecEnv, and the VecEnv and the VectorEnv over one array, in turns, so that a drift of the
machine's speed meets all. Actions are random, episodes last 1000 steps and begin anew. Run it on an
idle machine:

    python benchmarks/navigation.py
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from stable_baselines3.common.vec_env import DummyVecEnv

import sb3_scale
from lib.sides import Side
from sb3_scale_envs.navigation_vec_env import NavigationVecEnv
from update_throughput import ratio, take_turns

DIMENSIONS = (2, 10, 50, 100)


def measure(step: Callable[[Any], object], actions: NDArray[Any], seconds: float) -> float:
    """
    :param step: of environments that have been reset
    :param actions: ``(steps, n_envs, n)``, one after the other and again
    :param seconds: how long to measure
    :return: environment steps per second, of all environments together
    """
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        step(actions[steps % len(actions)])
        steps += 1
    return steps * len(actions[0]) / (time.perf_counter() - start)


def compare(n: int, args: argparse.Namespace) -> dict[str, list[float]]:
    """
    :param n: dimension
    :param args: of the command line
    :return: environment steps per second of each side in each round
    """
    make = partial(gymnasium.make, "navigation", n=n)
    dummy = DummyVecEnv([make] * args.n_envs)
    vec_env = NavigationVecEnv("navigation", args.n_envs, {"n": n})
    vector_env = gymnasium.make_vec("navigation", args.n_envs, n=n)
    for env in (dummy, vec_env):
        env.seed(0)
        env.reset()
    vector_env.reset(seed=0)
    draws = np.random.default_rng(0).uniform(-1, 1, (50, args.n_envs, n))
    actions = draws.astype(np.float32)
    steps = {"DummyVecEnv": dummy.step, "VecEnv": vec_env.step, "VectorEnv": vector_env.step}
    sides: dict[str, Side] = {name: partial(measure, step, actions) for name, step in steps.items()}
    return take_turns(sides, f"n = {n}", args)


def arguments() -> argparse.Namespace:
    """
    :return: of the command line
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--dimensions", nargs="+", type=int, default=list(DIMENSIONS))
    parser.add_argument("--n-envs", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=7, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=0.3, help="length of a turn")
    return parser.parse_args()


def main() -> None:
    """Print one table: medians, and the ratios with their quartiles over the rounds."""
    args = arguments()
    sb3_scale.register_envs()
    console = Console()
    console.print(
        f"environment steps per second of {args.n_envs} environments, {args.rounds} rounds of "
        f"{args.seconds} s; {platform.machine()}, {os.cpu_count()} cores, NumPy {np.__version__}, "
        f"Gymnasium {gymnasium.__version__}, Stable-Baselines3 {stable_baselines3.__version__}"
    )
    table = Table(
        "n", "DummyVecEnv", "VecEnv", "VectorEnv", "VecEnv to Dummy", "VectorEnv to Dummy"
    )
    for n in args.dimensions:
        rates = compare(n, args)
        dummy, *native = rates.values()
        table.add_row(
            str(n),
            *(f"{np.median(rate):.0f}" for rate in rates.values()),
            *(ratio(rate, dummy) for rate in native),
        )
    console.print(table)


if __name__ == "__main__":
    main()
