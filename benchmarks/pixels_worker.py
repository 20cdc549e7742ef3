"""
Updates per second of a recipe from pixels, on request.

``compare_drq.py`` starts it. It reads lengths of turns in seconds from standard input, one per
line, and answers each with a rate and the peak of its memory in bytes.
"""

import argparse
import resource
import sys
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.logger import Logger

import sb3_scale
from lib.measuring import measure
from sb3_scale.recipes.environments import SpacesOnly

SHAPE = (9, 84, 84)


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--compile", action="store_true")
    for option in ("actions", "transitions", "batch-size", "threads"):
        parser.add_argument(f"--{option}", type=int, required=True)
    args = parser.parse_args()
    th.set_num_threads(args.threads)
    box = spaces.Box(-1, 1, (args.actions,), np.float32)
    model = sb3_scale.recipe(
        args.recipe,
        SpacesOnly(spaces.Box(0, 255, SHAPE, np.uint8), box),
        buffer_size=args.transitions,
        batch_size=args.batch_size,
        compile=args.compile,
    )
    model.set_logger(Logger(None, []))
    fill(model.replay_buffer)
    for _ in range(2):
        # Each of the two steps of the actor's delay is a program of its own.
        model.train(gradient_steps=2, batch_size=args.batch_size)
    print("ready", flush=True)
    for line in sys.stdin:
        rate = measure(model, args.batch_size, float(line), gradient_steps=2)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(rate, peak, flush=True)


def fill(buffer: Any) -> None:
    """
    :param buffer: filled with stacks of three random frames, in episodes of 100
    """
    generator = np.random.default_rng(0)
    stack = generator.integers(0, 256, (1, *SHAPE), np.uint8)
    for step in range(buffer.buffer_size):
        frame = generator.integers(0, 256, (1, 3, *SHAPE[1:]), np.uint8)
        following = np.concatenate((stack[:, 3:], frame), axis=1)
        action = generator.uniform(-1, 1, (1, buffer.action_dim))
        done = np.array([step % 100 == 99])
        buffer.add(stack, following, action, np.array([0.5]), done, [{}])
        stack = following


if __name__ == "__main__":
    main()
