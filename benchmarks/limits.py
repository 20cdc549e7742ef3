"""
How far an update is from what this machine can do.

Counts the floating-point operations that an update must do and the bytes it must move, measures the
rate of float32 products and the memory bandwidth in the same run, and prints the least time next to
ours, per part of the update. A part takes at least the longer of the times of its products and of
its traffic; parts follow one another. Two limits: with all products at the largest rate of this
machine, and with each product at the rate that its own shape reaches. Next to them stands the time
of the update's products alone, one after another, which no update with this library's products
undercuts. Run it on an idle machine:

    python benchmarks/limits.py --configs sac-256 crossq-wn
"""

import argparse
import csv
import platform
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch as th
from rich.console import Console
from rich.progress import track
from rich.table import Table

from lib.configurations import CONFIGURATIONS, VARIANTS, Configuration, known_variants, make
from lib.counting import Part, Product, count, working_set
from lib.least_times import COLUMNS, Limits
from lib.machine import Machine, measure_machine, product_times, seconds_in_turn
from lib.measuring import measure
from lib.part_times import part_times

TURNS = 5
"""Turns of a measurement of the whole update, whose median counts."""


def total(rows: Iterable[dict[str, float]]) -> dict[str, float]:
    """
    :param rows: of parts
    :return: their sum
    """
    sums = [sum(values) for values in zip(*(row.values() for row in rows), strict=True)]
    return dict(zip(COLUMNS, sums, strict=True))


def cells(row: dict[str, float], ours: float | None) -> list[str]:
    """
    :param row: a value for each of ``COLUMNS``
    :param ours: seconds of our update, if they were measured for this row
    :return: the row as text, times in milliseconds, and how much of each limit is reached
    """
    counted = [f"{row[column]:.3f}" for column in COLUMNS[:1]]
    counted += [f"{row[column]:.2f}" for column in COLUMNS[1:4]]
    limits = [row[column] for column in COLUMNS[4:]]
    text = counted + [f"{1e3 * limit:.3f}" for limit in limits]
    if ours is not None:
        text += [f"{1e3 * ours:.3f}", *(f"{limit / ours:.0%}" for limit in limits)]
    return text


@dataclass(frozen=True)
class Measured:
    """
    Our times for one configuration.

    :param parts: what the update must do
    :param working_set: bytes of parameters and optimiser state
    :param groups: seconds of each group of parts, without compilation
    :param variants: seconds of the whole update of each variant
    :param products: seconds of each product alone
    :param in_turn: seconds of all products, one after another
    """

    parts: list[Part]
    working_set: int
    groups: dict[str, float]
    variants: dict[str, float]
    products: dict[Product, float]
    in_turn: float


def measure_ours(configuration: Configuration, args: argparse.Namespace) -> Measured:
    """
    :param configuration: what is trained
    :param args: of the command line
    :return: our times
    """
    model = make(configuration, args.batch_size, args.device)
    parts = count(model, args.batch_size)
    products = {each for part in parts for each in part.products}
    before = product_times(products, model.device)
    groups = part_times(model, args.batch_size, args.seconds)
    variants = {}
    for variant in known_variants(args.variants):
        other = make(configuration, args.batch_size, args.device, **VARIANTS[variant])
        turns = [measure(other, args.batch_size, args.seconds / TURNS) for _ in range(TURNS + 1)]
        # The first turn warms up, and compiles where that is asked for.
        variants[variant] = 1 / float(np.median(turns[1:]))
    after = product_times(products, model.device)
    in_turn = seconds_in_turn(parts, model.device, args.seconds)
    best = {product: min(before[product], after[product]) for product in products}
    return Measured(parts, working_set(model), groups, variants, best, in_turn)


def report(
    name: str, ours: Measured, machine: Machine
) -> tuple[Table, list[dict[str, float | str]]]:
    """
    :param name: of the configuration
    :param ours: our times
    :param machine: its rates
    :return: the table, and the same as records
    """
    limits = Limits(machine, machine.bandwidth_of(ours.working_set), ours.products)
    table = Table(
        "part",
        *COLUMNS[:4],
        *(f"{column} [ms]" for column in COLUMNS[4:]),
        "ours [ms]",
        "of limit",
        "of shapes",
        title=f"{CONFIGURATIONS[name].title}, {ours.working_set / 1e6:.0f} MB of parameters and "
        "optimiser state",
    )
    groups = dict(ours.groups)
    records: list[dict[str, float | str]] = []
    rows: list[dict[str, float]] = []
    for group, parts in groupby(ours.parts, key=lambda part: part.group):
        own = {part.name: limits.row(part) for part in parts}
        rows += own.values()
        seconds = groups.pop(group)
        table.add_row(group, *cells(total(own.values()), seconds))
        for part, values in own.items():
            if len(own) > 1:
                table.add_row(f"  {part}", *cells(values, None), style="dim")
            records.append({"config": name, "group": group, "part": part, **values})
        records.append({"config": name, "group": group, "ours": seconds})
    for group, seconds in groups.items():
        table.add_row(group, *[""] * len(COLUMNS), f"{1e3 * seconds:.3f}")
        records.append({"config": name, "group": group, "ours": seconds})
    table.add_section()
    table.add_row("products in turn", *[""] * len(COLUMNS), f"{1e3 * ours.in_turn:.3f}")
    records.append({"config": name, "group": "products in turn", "ours": ours.in_turn})
    for variant, seconds in ours.variants.items():
        table.add_row(f"update, {variant}", *cells(total(rows), seconds))
        records.append({"config": name, "group": "update", "part": variant, "ours": seconds})
    return table, records


def main() -> None:
    """Print a table per configuration."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument(
        "--configs", nargs="+", default=list(CONFIGURATIONS), choices=CONFIGURATIONS
    )
    parser.add_argument(
        "--variants", nargs="+", default=["eager", "compile", "compile+autocast"], choices=VARIANTS
    )
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement of ours")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=th.get_num_threads())
    parser.add_argument("--out", type=Path, help="CSV file of the same figures, in seconds")
    args = parser.parse_args()
    th.set_num_threads(args.threads)

    machine = measure_machine(args.device)
    measured = {}
    for name in track(args.configs, "our updates", transient=True):
        measured[name] = measure_ours(CONFIGURATIONS[name], args)
        machine = machine.or_better(measure_machine(args.device))
    console = Console()
    console.print(
        f"batch {args.batch_size}, {platform.machine()}, {args.device}, {args.threads} threads, "
        f"PyTorch {th.__version__}; products {machine.product_rate / 1e9:.0f} GFLOP/s; read and "
        f"written {machine.cached_bandwidth / 1e9:.0f} GB/s within a cache of "
        f"{machine.cache / 2**20:.0f} MiB, {machine.bandwidth / 1e9:.0f} GB/s beyond it"
    )
    records: list[dict[str, float | str]] = []
    for name, ours in measured.items():
        table, found = report(name, ours, machine)
        console.print(table)
        records += found
    if args.out:
        with args.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["config", "group", "part", *COLUMNS, "ours"])
            writer.writeheader()
            writer.writerows(records)


if __name__ == "__main__":
    main()
