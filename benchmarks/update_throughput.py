"""
Gradient steps per second of sb3_scale next to other implementations and to the machine's limit.

Each configuration stands next to the same networks in Stable-Baselines3 or sb3-contrib and, where
``--sbx-python`` names an interpreter that has it, in SBX. All train on random transitions of the
dog's size (223 observations, 38 actions), in turns, so that a drift of the machine's speed meets
all. CrossQ+WN stands next to the CrossQ of others, which have neither target network nor weight
normalisation. The limit is that of ``limits.py``. Run it on an idle machine:

    python benchmarks/update_throughput.py --configs sac-256 crossq
"""

import argparse
import csv
import platform
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import sb3_contrib
import stable_baselines3
import torch as th
from rich.console import Console
from rich.progress import track
from rich.table import Table

from lib.configurations import (
    ACTIONS,
    CONFIGURATIONS,
    OBSERVATIONS,
    VARIANTS,
    Configuration,
    known_variants,
    make,
)
from lib.least_times import update_limit
from lib.machine import Machine, measure_machine
from lib.sides import OTHERS, Side, own_sides, sbx_side, torch_side, wanted

Rates = dict[str, list[float]]
"""Gradient steps per second of each side in each round."""


@dataclass(frozen=True)
class Result:
    """
    Of one configuration.

    :param rates: of our variants, then of the others
    :param limit: gradient steps per second that the machine could do
    """

    rates: Rates
    limit: float

    def ours(self) -> list[float]:
        """
        :return: the rates of our fastest variant
        """
        return max((self.rates[name] for name in VARIANTS if name in self.rates), key=np.median)


def take_turns(sides: dict[str, Side], title: str, args: argparse.Namespace) -> Rates:
    """
    :param sides: who takes turns
    :param title: of the progress bar
    :param args: of the command line
    :return: gradient steps per second of each side in each round
    """
    for turn in sides.values():
        turn(args.seconds)
    rates: Rates = {name: [] for name in sides}
    names = list(sides)
    for round_ in track(range(args.rounds), title, transient=True):
        # Who goes first changes, so that no side always meets a warm or a cold cache.
        first = round_ % len(names)
        for name in names[first:] + names[:first]:
            rates[name].append(sides[name](args.seconds))
    return rates


def compare(configuration: Configuration, machine: Machine, args: argparse.Namespace) -> Result:
    """
    :param configuration: what is trained
    :param machine: its rates
    :param args: of the command line
    :return: what all sides did, and the limit
    """
    with ExitStack() as stack:
        sides = own_sides(configuration, args)
        for name in wanted(configuration, args):
            if name == "SBX":
                sides[name] = stack.enter_context(sbx_side(configuration, args))
            else:
                sides[name] = torch_side(name, configuration, args)
        rates = take_turns(sides, configuration.title, args)
    model = make(configuration, args.batch_size, args.device)
    return Result(rates, 1 / update_limit(model, args.batch_size, machine))


def ratio(ours: list[float], theirs: list[float]) -> str:
    """
    :param ours: gradient steps per second in each round
    :param theirs: likewise
    :return: median of the rounds' ratios, and their quartiles
    """
    low, middle, high = np.percentile(np.divide(ours, theirs), [25, 50, 75])
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def summary(results: dict[str, Result]) -> Table:
    """
    :param results: by name of the configuration
    :return: one row each: medians, and the ratios of our fastest variant
    """
    found = {side for result in results.values() for side in result.rates}
    own = [name for name in VARIANTS if name in found]
    others = [name for name in OTHERS if name in found]
    table = Table(
        "gradient steps per second",
        *(f"ours, {name}" for name in own),
        *others,
        *(f"ours to {name} (quartiles)" for name in others),
        "limit",
        "ours of limit",
    )
    for name, result in results.items():
        ours = result.ours()
        rates = [result.rates.get(side) for side in own + others]
        table.add_row(
            CONFIGURATIONS[name].title,
            *(f"{np.median(rate):.1f}" if rate else "" for rate in rates),
            *(ratio(ours, result.rates[o]) if o in result.rates else "" for o in others),
            f"{result.limit:.1f}",
            f"{np.median(ours) / result.limit:.0%}",
        )
    return table


def save(results: dict[str, Result], path: Path) -> None:
    """
    :param results: by name of the configuration
    :param path: CSV file of the rate of each side in each round, and of each limit
    """
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["config", "side", "round", "gradient_steps_per_second"])
        for name, result in results.items():
            for side, rates in result.rates.items():
                writer.writerows((name, side, round_, rate) for round_, rate in enumerate(rates))
            writer.writerow((name, "limit", "", result.limit))


def arguments() -> argparse.Namespace:
    """
    :return: of the command line
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument(
        "--configs", nargs="+", default=list(CONFIGURATIONS), choices=CONFIGURATIONS
    )
    parser.add_argument(
        "--variants", nargs="+", default=["eager", "compile", "compile+autocast"], choices=VARIANTS
    )
    parser.add_argument("--others", nargs="*", default=list(OTHERS[:3]), choices=OTHERS)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--gradient-steps", type=int, default=1, help="of each train call")
    parser.add_argument("--rounds", type=int, default=15, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=1.5, help="length of a turn")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=th.get_num_threads())
    parser.add_argument("--sbx-python", help="interpreter of an environment with sbx-rl")
    parser.add_argument("--out", type=Path, help="CSV file of all rounds")
    args = parser.parse_args()
    if args.sbx_python and args.device != "cpu":
        parser.error("SBX is measured on the CPU: leave --sbx-python out")
    if args.device == "cuda" and not th.cuda.is_available():
        parser.error(f"PyTorch {th.__version__} finds no GPU; allowed: --device cpu")
    return args


def main() -> None:
    """Print one table: medians, the ratios with their quartiles over the rounds, the limit."""
    args = arguments()
    th.set_num_threads(args.threads)
    console = Console()
    for name in set(args.variants) - set(known_variants(args.variants)):
        console.print(f"{name} left out: this version of sb3_scale does not have it")
    machine = measure_machine(args.device)
    console.print(
        f"{OBSERVATIONS} observations, {ACTIONS} actions, batch {args.batch_size}, "
        f"{args.gradient_steps} gradient steps per call, {args.rounds} rounds of {args.seconds} s; "
        f"{platform.machine()}, {args.device}, {args.threads} threads, PyTorch {th.__version__}, "
        f"Stable-Baselines3 {stable_baselines3.__version__}, "
        f"sb3-contrib {sb3_contrib.__version__}, products {machine.product_rate / 1e9:.0f} GFLOP/s"
    )
    results = {name: compare(CONFIGURATIONS[name], machine, args) for name in args.configs}
    console.print(summary(results))
    if args.out:
        save(results, args.out)


if __name__ == "__main__":
    main()
