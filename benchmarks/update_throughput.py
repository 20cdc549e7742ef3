"""
Gradient steps per second of sb3_scale's SAC and CrossQ next to those of other implementations.

SAC stands next to Stable-Baselines3's; CrossQ next to sb3-contrib's and, where ``--sbx-python``
names an interpreter that has it, SBX's. All train the same networks on random transitions of the
dog's size (223 observations, 38 actions), in turns, so that a drift of the machine's speed meets
all. Run it on an idle machine:

    python benchmarks/update_throughput.py
"""

import argparse
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import sb3_contrib
import stable_baselines3
import torch as th
from rich.console import Console
from rich.progress import track
from rich.table import Table
from stable_baselines3.common.logger import Logger

import sb3_scale
from measuring import Spaces, fill, measure
from sb3_scale_crossq.algorithm import CrossQ

OBSERVATIONS, ACTIONS = 223, 38
TRANSITIONS = 20_000
ACTOR_WIDTH, CRITIC_WIDTH = 256, 512
"""Of CrossQ's two hidden layers, as in Palenicek et al., 2025, Table 1."""

Side = Callable[[float], float]
"""Trains for some seconds and gives the gradient steps per second."""


def side(algorithm: Any, policy: str, policy_kwargs: Any, args: argparse.Namespace) -> Side:
    """
    :param algorithm: its class
    :param policy: name of its policy
    :param policy_kwargs: arguments of the policy
    :param args: of the command line
    :return: the algorithm with a filled replay buffer, ready for its turns
    """
    model = algorithm(
        policy,
        Spaces(OBSERVATIONS, ACTIONS),
        policy_kwargs=policy_kwargs,
        buffer_size=TRANSITIONS,
        batch_size=args.batch_size,
        device=args.device,
        seed=0,
    )
    model.set_logger(Logger(None, []))
    fill(model.replay_buffer)
    return partial(measure, model, args.batch_size)


def sac_sides(width: int, args: argparse.Namespace) -> dict[str, Side]:
    """
    :param width: of the two hidden layers of actor and critics
    :param args: of the command line
    :return: Stable-Baselines3's SAC and ours
    """
    network = {"name": "mlp", "width": width, "depth": 2}
    parts = {
        "actor": {"name": "squashed-gaussian", "network": network},
        "critic": {"name": "ensemble", "n_critics": 2, "network": network},
    }
    net = {"net_arch": [width, width]}
    return {
        "Stable-Baselines3": side(stable_baselines3.SAC, "MlpPolicy", net, args),
        "sb3_scale": side(sb3_scale.SAC, "ScalePolicy", parts, args),
    }


def crossq_sides(args: argparse.Namespace) -> dict[str, Side]:
    """
    :param args: of the command line
    :return: CrossQ of sb3-contrib and ours, both with batch renormalisation as SBX's, and ours with
        batch normalisation, weight normalisation and a target, as Palenicek et al. train it
    """
    net = {"net_arch": {"pi": [ACTOR_WIDTH] * 2, "qf": [CRITIC_WIDTH] * 2}}
    return {
        "sb3-contrib": side(sb3_contrib.CrossQ, "MlpPolicy", net, args),
        "sb3_scale": side(CrossQ, "ScalePolicy", _crossq_parts("batch-renorm"), args),
        "sb3_scale, CrossQ+WN": side(
            CrossQ, "ScalePolicy", _crossq_parts("batch", target=True, constraint="unit-norm"), args
        ),
    }


def _crossq_parts(norm: str, target: bool = False, constraint: str | None = None) -> dict[str, Any]:
    placed = {"norm": norm, "norm_placement": "post-activation", "norm_input": True}
    actor_network, critic_network = (
        {"name": "mlp", "width": width, "depth": 2, **placed}
        for width in (ACTOR_WIDTH, CRITIC_WIDTH)
    )
    return {
        "actor": {
            "name": "squashed-gaussian",
            "network": actor_network,
            "constraint": constraint,
        },
        "critic": {
            "name": "ensemble",
            "network": critic_network,
            "joint_batch": True,
            "target": target,
            "constraint": constraint,
        },
    }


@contextmanager
def sbx_side(args: argparse.Namespace) -> Iterator[dict[str, Side]]:
    """
    :param args: of the command line
    :return: SBX's CrossQ in a process of its own, which is idle between its turns
    """
    options = {
        "observations": OBSERVATIONS,
        "actions": ACTIONS,
        "actor-width": ACTOR_WIDTH,
        "critic-width": CRITIC_WIDTH,
        "transitions": TRANSITIONS,
        "batch-size": args.batch_size,
        "threads": args.threads,
    }
    command = [args.sbx_python, str(Path(__file__).with_name("sbx_worker.py"))]
    command += [f"--{name}={value}" for name, value in options.items()]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        name = worker.stdout.readline().strip()
        if not name:
            sys.exit(f"{command[0]} cannot run SBX: see its message above")

        def turn(seconds: float) -> float:
            print(seconds, file=worker.stdin, flush=True)
            return float(worker.stdout.readline())  # type: ignore[union-attr]

        yield {name: turn}


def take_turns(
    sides: dict[str, Side], title: str, args: argparse.Namespace
) -> dict[str, list[float]]:
    """
    :param sides: who takes turns
    :param title: of the progress bar
    :param args: of the command line
    :return: gradient steps per second of each side in each round
    """
    for turn in sides.values():
        turn(args.seconds)
    rates: dict[str, list[float]] = {name: [] for name in sides}
    names = list(sides)
    for round_ in track(range(args.rounds), title, transient=True):
        # Who goes first changes, so that no side always meets a warm or a cold cache.
        first = round_ % len(names)
        for name in names[first:] + names[:first]:
            rates[name].append(sides[name](args.seconds))
    return rates


def ratio(ours: list[float], theirs: list[float]) -> tuple[str, str]:
    """
    :param ours: gradient steps per second in each round
    :param theirs: likewise
    :return: median of the rounds' ratios, and their quartiles
    """
    low, middle, high = np.percentile(np.divide(ours, theirs), [25, 50, 75])
    return f"{middle:.2f}", f"{low:.2f} to {high:.2f}"


def sac_table(args: argparse.Namespace) -> Table:
    """
    :param args: of the command line
    :return: one row per width
    """
    title = "SAC"
    table = Table("hidden", "SB3 steps/s", "sb3_scale steps/s", "ratio", "quartiles", title=title)
    for width in args.widths:
        theirs, ours = take_turns(sac_sides(width, args), f"SAC 2 x {width}", args).values()
        medians = [f"{np.median(rates):.1f}" for rates in (theirs, ours)]
        table.add_row(f"2 x {width}", *medians, *ratio(ours, theirs))
    return table


def crossq_table(args: argparse.Namespace) -> Table:
    """
    :param args: of the command line
    :return: one row per implementation, with its ratios to the two that are not ours
    """
    with ExitStack() as stack:
        sbx = stack.enter_context(sbx_side(args)) if args.sbx_python else {}
        rates = take_turns({**sbx, **crossq_sides(args)}, "CrossQ", args)
    others = [*sbx, "sb3-contrib"]
    title = f"CrossQ, actor 2 x {ACTOR_WIDTH}, critic 2 x {CRITIC_WIDTH}"
    table = Table("", "steps/s", *(f"ratio to {name} (quartiles)" for name in others), title=title)
    for name, own in rates.items():
        ratios = ["{} ({})".format(*ratio(own, rates[other])) for other in others]
        table.add_row(name, f"{np.median(own):.1f}", *ratios)
    return table


def main() -> None:
    """Print a table per algorithm: medians, and the ratios with their quartiles over the rounds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--algo", choices=["sac", "crossq"], nargs="+", default=["sac", "crossq"])
    parser.add_argument("--widths", type=int, nargs="+", default=[256, 512, 1024], help="of SAC")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=15, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=1.5, help="length of a turn")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=th.get_num_threads())
    parser.add_argument("--sbx-python", help="interpreter of an environment with sbx-rl")
    args = parser.parse_args()
    if args.sbx_python and args.device != "cpu":
        parser.error("SBX is measured on the CPU: leave --sbx-python out")
    th.set_num_threads(args.threads)

    console = Console()
    console.print(
        f"{OBSERVATIONS} observations, {ACTIONS} actions, batch {args.batch_size}, "
        f"{args.rounds} rounds of {args.seconds} s; {platform.machine()}, {args.device}, "
        f"{args.threads} threads, PyTorch {th.__version__}, "
        f"Stable-Baselines3 {stable_baselines3.__version__}, "
        f"sb3-contrib {sb3_contrib.__version__}"
    )
    for algo in args.algo:
        console.print(sac_table(args) if algo == "sac" else crossq_table(args))


if __name__ == "__main__":
    main()
