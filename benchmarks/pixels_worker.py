"""
Updates per second of a recipe from pixels, on request.

``compare_drq.py`` starts it. It reads lengths of turns in seconds from standard input, one per
line, and answers each with a rate and the peak of its memory in bytes.
"""

import argparse
import resource
import sys
from typing import Any

import torch as th
from stable_baselines3.common.logger import Logger

import sb3_scale
from lib.configurations import VARIANTS
from lib.measuring import Spaces, fill, measure

SHAPE = (9, 84, 84)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--variant", required=True, choices=VARIANTS)
    for option in ("actions", "transitions", "batch-size", "threads"):
        parser.add_argument(f"--{option}", type=int, required=True)
    args = parser.parse_args()
    th.set_num_threads(args.threads)
    sizes = args.actions, args.transitions, args.batch_size
    model = make(args.recipe, *sizes, args.variant)
    for _ in range(2):
        # Each of the two steps of the actor's delay is a program of its own.
        model.train(gradient_steps=2, batch_size=args.batch_size)
    print("ready", flush=True)
    for line in sys.stdin:
        rate = measure(model, args.batch_size, float(line), gradient_steps=2)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(rate, peak, flush=True)


def make(recipe: str, actions: int, transitions: int, batch_size: int, variant: str) -> Any:
    """
    :param recipe: name of it
    :param actions: numbers in an action
    :param transitions: of random pictures, all that the buffer holds
    :param batch_size: of an update
    :param variant: key of ``VARIANTS``
    :return: the algorithm, with a full replay buffer
    """
    model = sb3_scale.recipe(
        recipe,
        Spaces(SHAPE, actions),
        buffer_size=transitions,
        batch_size=batch_size,
        **VARIANTS[variant],
    )
    model.set_logger(Logger(None, []))
    fill(model.replay_buffer)
    return model


if __name__ == "__main__":
    main()
