"""
Gradient steps per second of two checkouts of this project, in turns.

Each side is an interpreter whose environment has its checkout installed, with one process per
configuration, which is idle between its turns. So a drift of the machine's speed meets both. Run it
on an idle machine:

    python benchmarks/compare_checkouts.py ../before/.venv/bin/python .venv/bin/python
"""

import argparse
import csv
import platform
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch as th
from rich.console import Console
from rich.table import Table

from lib.configurations import VARIANTS
from lib.sides import Side
from lib.workers import worker
from update_throughput import Rates, ratio, take_turns

WORKER = Path(__file__).with_name("checkout_worker.py")
SIDES = ("old", "new")


@contextmanager
def worker_sides(python: str, row: str, args: argparse.Namespace) -> Iterator[dict[str, Side]]:
    """
    :param python: interpreter of a checkout
    :param row: name of the configuration
    :param args: of the command line
    :return: each variant of that checkout
    """
    command = [python, str(WORKER), "--row", row, "--variants", *args.variants]
    command += ["--batch-size", str(args.batch_size), "--device", args.device]
    command += ["--threads", str(args.threads)]
    with worker(command) as ask:

        def turn(variant: str, seconds: float) -> float:
            return ask(variant, seconds)[0]

        yield {variant: partial(turn, variant) for variant in args.variants}


def compare(row: str, args: argparse.Namespace) -> Rates:
    """
    :param row: name of the configuration
    :param args: of the command line
    :return: gradient steps per second in each round, by variant and side: ``eager old``
    """
    with ExitStack() as stack:
        checkouts = {
            side: stack.enter_context(worker_sides(getattr(args, side), row, args))
            for side in SIDES
        }
        sides = {
            f"{variant} {side}": checkouts[side][variant]
            for variant in args.variants
            for side in SIDES
        }
        return take_turns(sides, row, args)


def save(results: dict[str, Rates], path: Path) -> None:
    """
    :param results: by name of the configuration
    :param path: CSV file of the rate of each side in each round
    """
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["config", "variant", "side", "round", "gradient_steps_per_second"])
        for row, rates in results.items():
            for name, found in rates.items():
                writer.writerows((row, *name.split(), at, rate) for at, rate in enumerate(found))


def arguments() -> argparse.Namespace:
    """
    :return: of the command line
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    for side in SIDES:
        parser.add_argument(side, help="interpreter of its environment")
    parser.add_argument("--configs", nargs="+", help="all that the old checkout has by default")
    parser.add_argument(
        "--variants", nargs="+", default=["eager", "compile"], choices=list(VARIANTS)
    )
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=15, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=1.5, help="length of a turn")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=th.get_num_threads())
    parser.add_argument("--out", type=Path, help="CSV file of all rounds, written after each row")
    return parser.parse_args()


def main() -> None:
    """Print one table: medians, and new over old with quartiles over the rounds."""
    args = arguments()
    known = subprocess.run([args.old, str(WORKER)], stdout=subprocess.PIPE, text=True, check=True)
    console = Console()
    console.print(
        f"gradient steps per second, batch {args.batch_size}, {args.rounds} rounds of "
        f"{args.seconds} s; {platform.machine()}, {args.device}, {args.threads} threads, "
        f"PyTorch {th.__version__}"
    )
    table = Table("configuration", "variant", *SIDES, "new to old (quartiles)")
    results: dict[str, Rates] = {}
    for row in args.configs or known.stdout.split():
        results[row] = compare(row, args)
        for variant in args.variants:
            old, new = (results[row][f"{variant} {side}"] for side in SIDES)
            medians = (f"{np.median(rates):.1f}" for rates in (old, new))
            table.add_row(row, variant, *medians, ratio(new, old))
        if args.out:
            save(results, args.out)
    console.print(table)


if __name__ == "__main__":
    main()
