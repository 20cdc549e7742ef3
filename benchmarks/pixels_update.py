"""
Time of an update from pixels, of the shift of its images, and of an action.

All train on random pictures of 84x84. The shift is timed alone, on batches as they are drawn. Run
it on an idle machine:

    python benchmarks/pixels_update.py --recipes drq pixels-modern4-spectral
"""

import argparse
import platform

import torch as th
from rich.console import Console
from rich.table import Table

from lib.configurations import VARIANTS
from network_costs import milliseconds
from pixels_worker import make


def row(name: str, args: argparse.Namespace) -> list[str]:
    """
    :param name: of a recipe for SAC
    :param args: of the command line
    :return: its row of the table
    """
    model = make(name, args.actions, args.transitions, args.batch_size, args.variant)
    # Two steps of the critic for one of the actor, each with a program of its own.
    model.train(gradient_steps=2, batch_size=args.batch_size)
    update = milliseconds(lambda: model.train(2, args.batch_size), model, args.seconds) / 2
    batch, shift = model.sample(args.batch_size), model.policy.transforms[0]
    shifting = milliseconds(lambda: shift(batch), model, 1.0)
    observation = model.observation_space.sample()
    acting = milliseconds(lambda: model.predict(observation), model, 1.0)
    figures = [f"{each:.1f}" for each in (update, shifting)]
    return [name, *figures, f"{100 * shifting / update:.1f}", f"{acting:.2f}"]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--recipes", nargs="+", default=["drq"])
    parser.add_argument("--variant", default="eager", choices=VARIANTS)
    parser.add_argument("--actions", type=int, default=1)
    parser.add_argument("--transitions", type=int, default=500, help="in the replay buffer")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--seconds", type=float, default=5.0, help="of the updates' measurement")
    parser.add_argument("--threads", type=int, default=th.get_num_threads())
    args = parser.parse_args()
    th.set_num_threads(args.threads)
    table = Table("", "update, ms", "shift, ms", "shift, %", "action, ms")
    for name in args.recipes:
        table.add_row(*row(name, args))
    Console().print(
        f"batch {args.batch_size}, {args.variant}; "
        f"{platform.machine()}, {args.threads} threads, PyTorch {th.__version__}"
    )
    Console().print(table)


if __name__ == "__main__":
    main()
