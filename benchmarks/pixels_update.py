"""
Time of an update from pixels, of the shift of its images, and of an action.

All train on random pictures of 84x84. The shift is timed alone, on batches as they are drawn. Run
it on an idle machine:

    python benchmarks/pixels_update.py --recipes drq pixels-modern4-spectral
"""

import argparse
import platform
import time
from collections.abc import Callable

import numpy as np
import torch as th
from rich.console import Console
from rich.table import Table
from stable_baselines3.common.logger import Logger

import sb3_scale
from lib.measuring import Spaces, fill
from pixels_worker import SHAPE


def milliseconds(call: Callable[[], object], repeats: int) -> float:
    """
    :param call: what to time
    :param repeats: number of times, after one that is not counted
    :return: the median
    """
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1e3 * float(np.median(times))


def row(name: str, args: argparse.Namespace) -> list[str]:
    """
    :param name: of a recipe for SAC
    :param args: of the command line
    :return: its row of the table
    """
    model = sb3_scale.recipe(
        name,
        Spaces(SHAPE, args.actions),
        buffer_size=args.transitions,
        batch_size=args.batch_size,
        compile=args.compile,
    )
    model.set_logger(Logger(None, []))
    fill(model.replay_buffer)
    # Two steps of the critic for one of the actor, each with a program of its own.
    model.train(gradient_steps=2, batch_size=args.batch_size)
    update = milliseconds(lambda: model.train(2, args.batch_size), args.repeats) / 2
    batch, shift = model.sample(args.batch_size), model.policy.transforms[0]
    shifting = milliseconds(lambda: shift(batch), 20)
    observation = model.observation_space.sample()
    acting = milliseconds(lambda: model.predict(observation), 20)
    figures = [f"{each:.1f}" for each in (update, shifting)]
    return [name, *figures, f"{100 * shifting / update:.1f}", f"{acting:.2f}"]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--recipes", nargs="+", default=["drq"])
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--actions", type=int, default=1)
    parser.add_argument("--transitions", type=int, default=500, help="in the replay buffer")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5, help="times two updates")
    parser.add_argument("--threads", type=int, default=th.get_num_threads())
    args = parser.parse_args()
    th.set_num_threads(args.threads)
    table = Table("", "update, ms", "shift, ms", "shift, %", "action, ms")
    for name in args.recipes:
        table.add_row(*row(name, args))
    Console().print(
        f"batch {args.batch_size}, {'compiled' if args.compile else 'eager'}; "
        f"{platform.machine()}, {args.threads} threads, PyTorch {th.__version__}"
    )
    Console().print(table)


if __name__ == "__main__":
    main()
