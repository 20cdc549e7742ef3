"""
How many gradient steps earn the time that compiling their losses takes: the rule of compile: auto.

Each configuration trains on random transitions of the dog's size, eager and compiled in turns, in a
process of its own with an empty cache of PyTorch's compiler, and then in another with the cache
that the first one left. Printed is after how many steps what was compiled has saved the compiler's
time.

    python benchmarks/compile_time.py --configs sac-256 sac-512 crossq-wn
"""

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch as th
from rich.console import Console
from rich.table import Table

from lib.configurations import CONFIGURATIONS, make, sac
from lib.measuring import measure

KNOWN = {**CONFIGURATIONS, "sac-64": sac(64, 64)}

COLUMNS = ("eager_ms", "compiled_ms", "ratio", "compiler_s", "steps")


def seconds_of_first_steps(model: Any, batch_size: int) -> float:
    """
    :param model: an algorithm
    :param batch_size: transitions per gradient step
    :return: until each loss was computed once
    """
    start = time.perf_counter()
    model.train(getattr(model, "policy_delay", 1), batch_size)
    return time.perf_counter() - start


def measured(name: str, args: argparse.Namespace) -> list[float]:
    """
    :param name: of a configuration
    :param args: of the command line
    :return: a number for each of ``COLUMNS``
    """
    th.set_num_threads(args.threads)
    eager, compiled = (make(KNOWN[name], args.batch_size, compile=on) for on in (False, True))
    for _ in range(2):
        usual = seconds_of_first_steps(eager, args.batch_size)
    compiler = seconds_of_first_steps(compiled, args.batch_size) - usual
    sides = [eager, compiled]
    rates = np.empty((args.rounds, 2))
    for round_ in range(args.rounds):
        # Who goes first changes, so that no side always meets a warm or a cold cache.
        for side in (0, 1) if round_ % 2 else (1, 0):
            rates[round_, side] = measure(sides[side], args.batch_size, args.seconds)
    milliseconds = 1e3 / float(np.median(rates[:, 0]))
    ratio = float(np.median(rates[:, 1] / rates[:, 0]))
    saved = milliseconds * (1 - 1 / ratio)
    steps = 1e3 * compiler / saved if saved > 0 else float("inf")
    return [milliseconds, milliseconds / ratio, ratio, compiler, steps]


def in_process(name: str, cache: str) -> list[float]:
    """
    :param name: of a configuration
    :param cache: folder of PyTorch's compiler
    :return: what a process of its own measures
    """
    command = [sys.executable, *sys.argv, "--worker", name]
    environment = {**os.environ, "TORCHINDUCTOR_CACHE_DIR": cache}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return [float(word) for word in done.stdout.splitlines()[-1].split()]


def arguments() -> argparse.Namespace:
    """
    :return: of the command line
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--configs", nargs="+", default=list(KNOWN), choices=KNOWN)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=9, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=0.7, help="length of a turn")
    parser.add_argument("--threads", type=int, default=th.get_num_threads())
    parser.add_argument("--out", type=Path, help="CSV file of the same figures")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Print a row per configuration and cache."""
    args = arguments()
    if args.worker:
        print(*measured(args.worker, args))
        return
    found: dict[tuple[str, str], list[float]] = {}
    for name in args.configs:
        with tempfile.TemporaryDirectory() as cache:
            for state in ("empty", "warm"):
                found[name, state] = in_process(name, cache)
    table = Table("configuration", "cache", "eager [ms]", "compiled [ms]", "ratio", "compiler [s]",
                  "steps")  # fmt: skip
    for key, (*figures, compiler, steps) in found.items():
        figures_shown = [f"{figure:.2f}" for figure in figures]
        table.add_row(*key, *figures_shown, f"{compiler:.1f}", f"{steps:,.0f}")
    Console().print(table)
    if args.out:
        with args.out.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["config", "cache", *COLUMNS])
            writer.writerows((*key, *row) for key, row in found.items())


if __name__ == "__main__":
    main()
