"""
What each diagnostic costs in a real training.

Two trainings with one seed, which are the same bit by bit, go on in turns; one of them measures
once per turn. The difference of their times is the cost of a measurement, and its share of the
training follows from the diagnostic's default interval. Run it on an idle machine:

    python benchmarks/diagnostics_cost.py
"""

import argparse
import inspect
import platform
import time
from typing import Any

import gymnasium
import numpy as np
import torch as th
from rich.console import Console
from rich.progress import track
from rich.table import Column, Table
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger

import sb3_scale
from sb3_scale.parts import build

NAMES = (
    "weight-norm",
    "effective-learning-rate",
    "gradient-norm",
    "singular-values",
    "dormant-units",
    "critic-loss",
    "q-value",
    "q-bias",
)


class Clock(BaseCallback):
    """Time from the start of a turn to its last step, without what starts and ends a training."""

    seconds = 0.0

    def _on_training_start(self) -> None:
        self.start = time.perf_counter()

    def _on_step(self) -> bool:
        self.seconds = time.perf_counter() - self.start
        return True


def make(args: argparse.Namespace) -> Any:
    """
    :param args: of the command line
    :return: SAC that has trained for half a turn, so that turns measure in their middle
    """
    network = {"name": args.network, "width": args.width, "depth": args.depth}
    model = sb3_scale.SAC(
        "ScalePolicy",
        gymnasium.make(args.env, action_repeat=2),
        learning_starts=args.steps,
        batch_size=args.batch_size,
        gradient_steps=args.gradient_steps,
        buffer_size=100_000,
        policy_kwargs={
            "actor": {"name": "squashed-gaussian", "network": network},
            "critic": {"name": "ensemble", "network": network},
        },
        device=args.device,
        seed=0,
    )
    model.set_logger(Logger(None, []))
    return model.learn(args.steps + args.steps // 2)


def turn(model: Any, steps: int, callbacks: list[BaseCallback]) -> float:
    """
    :param model: the algorithm
    :param steps: environment steps
    :param callbacks: diagnostics
    :return: seconds
    """
    clock = Clock()
    model.learn(steps, [*callbacks, clock], reset_num_timesteps=False)
    return clock.seconds


def compare(name: str, args: argparse.Namespace) -> tuple[list[float], list[float]]:
    """
    :param name: of the diagnostic
    :param args: of the command line
    :return: seconds of each turn, without and with it
    """
    models = [make(args) for _ in range(2)]
    diagnostic = build("callback", {"name": name, "interval": args.steps})
    seconds: tuple[list[float], list[float]] = ([], [])
    for round_ in track(range(args.rounds + 1), name, transient=True):
        # Who goes first changes, so that neither always meets a warm or a cold cache.
        for index in (0, 1) if round_ % 2 == 0 else (1, 0):
            taken = turn(models[index], args.steps, [diagnostic] if index else [])
            if round_ > 0:
                seconds[index].append(taken)
    return seconds


def main() -> None:
    """Print one table: medians over the rounds, and quartiles of the share."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--names", nargs="+", default=NAMES, choices=NAMES)
    parser.add_argument("--env", default="dog-stand")
    parser.add_argument("--network", default="mlp")
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--depth", type=int, default=2)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--gradient-steps", type=int, default=1)
    parser.add_argument("--steps", type=int, default=200, help="environment steps of a turn")
    parser.add_argument("--rounds", type=int, default=11, help="turns of each side")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=th.get_num_threads())
    args = parser.parse_args()
    th.set_num_threads(args.threads)
    sb3_scale.register_envs()

    console = Console()
    console.print(
        f"SAC on {args.env} with action_repeat 2, {args.network} {args.depth} x {args.width}, "
        f"batch {args.batch_size}, {args.gradient_steps} gradient steps per environment step, "
        f"{args.rounds} rounds of {args.steps} steps; {platform.machine()}, {args.device}, "
        f"{args.threads} threads, PyTorch {th.__version__}"
    )
    table = Table(
        Column("diagnostic", no_wrap=True),
        "step [ms]",
        "measured [ms]",
        "interval",
        "share",
        "quartiles",
    )
    for name in args.names:
        plain, watched = (np.array(seconds) for seconds in compare(name, args))
        extra = watched - plain
        step = np.median(plain) / args.steps
        interval = _default_interval(name)
        shares = extra / (interval * step)
        low, middle, high = np.percentile(shares, [25, 50, 75])
        table.add_row(
            name,
            f"{1000 * step:.1f}",
            f"{1000 * np.median(extra):.0f}",
            str(interval),
            f"{middle:.2%}",
            f"{low:.2%} to {high:.2%}",
        )
    console.print(table)


def _default_interval(name: str) -> int:
    interval: int = inspect.signature(type(build("callback", name))).parameters["interval"].default
    return interval


if __name__ == "__main__":
    main()
