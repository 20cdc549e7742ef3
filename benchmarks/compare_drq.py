"""
Updates per second and memory of our recipe ``drq`` next to the released DrQ.

Both train on random pictures of 84x84 with the settings of DrQ's config.yaml, each in a process of
its own, in turns. The released code computes in float32, needs an environment of its own, and is
not changed:

    git clone https://github.com/denisyarats/drq ../drq
    python -m venv ../drq-venv
    ../drq-venv/bin/pip install torch==2.13.0 numpy kornia hydra-core gym==0.26.2 scikit-image \
        imageio termcolor tensorboard
    python benchmarks/compare_drq.py --source ../drq --python ../drq-venv/bin/python
"""

import argparse
import platform
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import numpy as np
import torch as th
from rich.console import Console
from rich.table import Table

from lib.configurations import VARIANTS
from lib.sides import Side
from lib.workers import Ask, worker
from update_throughput import ratio, take_turns

FOLDER = Path(__file__).parent


def commands(args: argparse.Namespace) -> dict[str, list[str]]:
    """
    :param args: of the command line
    :return: how to start each side, by its name
    """
    sizes = []
    for option in ("actions", "transitions", "batch_size", "threads"):
        sizes += [f"--{option.replace('_', '-')}", str(getattr(args, option))]
    released = [args.python, "-W", "ignore", str(FOLDER / "drq_worker.py")]
    ours = [sys.executable, str(FOLDER / "pixels_worker.py"), "--recipe", args.recipe]
    return {
        "released": [*released, "--source", str(args.source), *sizes],
        **{each: [*ours, "--variant", each, *sizes] for each in args.variants},
    }


def arguments() -> argparse.Namespace:
    """
    :return: of the command line
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--source", type=Path, required=True, help="clone of denisyarats/drq")
    parser.add_argument("--python", required=True, help="interpreter that has what DrQ needs")
    parser.add_argument("--recipe", default="drq")
    parser.add_argument(
        "--variants", nargs="+", default=["eager", "compile", "compile+autocast"], choices=VARIANTS
    )
    parser.add_argument("--actions", type=int, default=1)
    parser.add_argument("--transitions", type=int, default=2000, help="in the replay buffer")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of a turn")
    parser.add_argument("--threads", type=int, default=th.get_num_threads())
    return parser.parse_args()


def main() -> None:
    """Print one table: medians, and ours over the released code with quartiles over the rounds."""
    args = arguments()
    peaks: dict[str, float] = {}

    def turn(name: str, ask: Ask, seconds: float) -> float:
        rate, peaks[name] = ask(seconds)
        return rate

    with ExitStack() as stack:
        sides: dict[str, Side] = {
            name: partial(turn, name, stack.enter_context(worker(command)))
            for name, command in commands(args).items()
        }
        rates = take_turns(sides, args.recipe, args)
    console = Console()
    console.print(
        f"updates per second, batch {args.batch_size}, {args.rounds} rounds of {args.seconds} s; "
        f"{platform.machine()}, {args.threads} threads, PyTorch {th.__version__}"
    )
    table = Table("", "updates per second", "to the released (quartiles)", "peak memory, GB")
    for name, found in rates.items():
        against = "" if name == "released" else ratio(found, rates["released"])
        table.add_row(name, f"{np.median(found):.2f}", against, f"{peaks[name] / 1e9:.2f}")
    console.print(table)


if __name__ == "__main__":
    main()
