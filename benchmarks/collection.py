"""
Environment steps per second of Gymnasium's environments and of EnvPool's, without learning.

One row per task and number of environments: Stable-Baselines3's DummyVecEnv and SubprocVecEnv, and
EnvPool, in turns, so that a drift of the machine's speed meets all. Actions are random. An
environment step is one control step of the task. Run it on an idle machine:

    python benchmarks/collection.py
"""

import argparse
import os
import platform
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import envpool
import gymnasium
import mujoco
import numpy as np
import stable_baselines3
from rich.console import Console
from rich.table import Table
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv

import sb3_scale
from sb3_scale_envs.envpool_vec_env import EnvPoolVecEnv
from update_throughput import ratio, take_turns

TASKS = ("dog-run", "walker-run", "HalfCheetah-v4")
N_ENVS = (1, 2, 4, 8, 16, 32, 64)


def backends(task: str, n_envs: int) -> Iterator[tuple[str, VecEnv]]:
    """
    :param task: id of the environment
    :param n_envs: number of environments
    :return: each backend by name
    """
    make = partial(gymnasium.make, task)
    yield "DummyVecEnv", DummyVecEnv([make] * n_envs)
    # Forks share what this process has imported; EnvPool's threads begin afterwards.
    yield "SubprocVecEnv", SubprocVecEnv([make] * n_envs, start_method="fork")
    yield "EnvPool", EnvPoolVecEnv(task, n_envs)


def measure(env: VecEnv, actions: Any, seconds: float) -> float:
    """
    :param env: environments that have been reset
    :param actions: ``(steps, n_envs, n)``, one after the other and again
    :param seconds: how long to measure
    :return: environment steps per second, of all environments together
    """
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        env.step(actions[steps % len(actions)])
        steps += 1
    return steps * env.num_envs / (time.perf_counter() - start)


def compare(task: str, n_envs: int, args: argparse.Namespace) -> dict[str, list[float]]:
    """
    :param task: id of the environment
    :param n_envs: number of environments
    :param args: of the command line
    :return: environment steps per second of each backend in each round
    """
    with ExitStack() as stack:
        sides: dict[str, Callable[[float], float]] = {}
        for name, env in backends(task, n_envs):
            stack.enter_context(closing(env))
            env.seed(0)
            env.reset()
            box: Any = env.action_space
            actions = np.random.default_rng(0).uniform(box.low, box.high, (50, n_envs, *box.shape))
            sides[name] = partial(measure, env, actions.astype(np.float32))
        return take_turns(sides, f"{task}, {n_envs}", args)


def arguments() -> argparse.Namespace:
    """
    :return: of the command line
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--n-envs", nargs="+", type=int, default=list(N_ENVS))
    parser.add_argument("--rounds", type=int, default=5, help="turns of each backend")
    parser.add_argument("--seconds", type=float, default=0.4, help="length of a turn")
    return parser.parse_args()


def main() -> None:
    """Print one table: medians, and the ratios with their quartiles over the rounds."""
    args = arguments()
    warnings.filterwarnings("ignore", message=".*is out of date")
    sb3_scale.register_envs()
    console = Console()
    console.print(
        f"environment steps per second, {args.rounds} rounds of {args.seconds} s; "
        f"{platform.machine()}, {os.cpu_count()} cores, envpool {envpool.__version__}, MuJoCo "
        f"{mujoco.__version__}, Stable-Baselines3 {stable_baselines3.__version__}"
    )
    table = Table(
        "task", "environments", "DummyVecEnv", "SubprocVecEnv", "EnvPool", "to Dummy", "to Subproc"
    )
    for task in args.tasks:
        for n_envs in args.n_envs:
            rates = compare(task, n_envs, args)
            dummy, subproc, pool = (
                rates[name] for name in ("DummyVecEnv", "SubprocVecEnv", "EnvPool")
            )
            table.add_row(
                task,
                str(n_envs),
                *(f"{np.median(rate):.0f}" for rate in (dummy, subproc, pool)),
                ratio(pool, dummy),
                ratio(pool, subproc),
            )
    console.print(table)


if __name__ == "__main__":
    main()
