"""
Time and memory of the replay buffer of frames next to Stable-Baselines3's of whole stacks.

Both hold the same stacks of three frames in episodes of 125 decisions and take turns; the same
seed gives them the same batches. Run it on an idle machine:

    python benchmarks/replay_frames.py
"""

import argparse
import platform
import time

import numpy as np
import stable_baselines3
import torch as th
from gymnasium import spaces
from rich.console import Console
from rich.progress import track
from rich.table import Table
from stable_baselines3.common.buffers import ReplayBuffer

from replay import draw, row
from sb3_scale.replay.frames import FrameReplayBuffer

STACK, SIZE, ACTIONS = 3, 84, 6
EPISODE = 125
POOL = 1_000
"""Frames that are stored again and again."""


def store(buffer: ReplayBuffer, steps: int) -> float:
    """
    :param buffer: that gets more
    :param steps: transitions
    :return: microseconds per transition
    """
    generator = np.random.default_rng(0)
    frames = generator.integers(0, 256, (POOL, SIZE, SIZE), np.uint8)
    action, reward = generator.uniform(-1, 1, (1, ACTIONS)), np.ones(1)
    took = 0.0
    stack = np.repeat(frames[:1], STACK, axis=0)
    for step in range(steps):
        end = step % EPISODE == EPISODE - 1
        following = np.concatenate((stack[1:], frames[None, (step + 1) % POOL]))
        start = time.perf_counter()
        buffer.add(stack[None], following[None], action, reward, np.array([end]), [{}])
        took += time.perf_counter() - start
        stack = np.repeat(following[-1:], STACK, axis=0) if end else following
    return took / steps * 1e6


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--capacity", type=int, default=20_000)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=11, help="turns of each side")
    parser.add_argument("--batches", type=int, default=20, help="of a turn")
    parser.add_argument("--adds", type=int, default=1_000, help="of a turn")
    parser.add_argument("--threads", type=int, default=th.get_num_threads())
    args = parser.parse_args()
    args.device = "cpu"
    th.set_num_threads(args.threads)

    observations = spaces.Box(0, 255, (STACK, SIZE, SIZE), np.uint8)
    actions = spaces.Box(-1, 1, (ACTIONS,), np.float32)
    theirs = ReplayBuffer(args.capacity, observations, actions, args.device)
    ours = FrameReplayBuffer(args.capacity, observations, actions, args.device)
    console = Console()
    console.print(
        f"stacks of {STACK} frames, {SIZE}x{SIZE}, {args.capacity} transitions, batch "
        f"{args.batch_size}, {args.rounds} rounds of {args.batches} batches and {args.adds} "
        f"transitions; {platform.machine()}, {args.threads} threads, PyTorch {th.__version__}, "
        f"Stable-Baselines3 {stable_baselines3.__version__}"
    )
    for buffer in (ours, theirs):
        store(buffer, args.capacity)
    took: dict[str, tuple[list[float], list[float]]] = {
        "batch, µs": ([], []),
        "add, µs per transition": ([], []),
    }
    for round_ in track(range(args.rounds), "measuring", console=console, transient=True):
        # Who goes first changes, so that no side always meets a warm or a cold cache.
        for side in (0, 1) if round_ % 2 else (1, 0):
            buffer = (ours, theirs)[side]
            np.random.seed(round_)
            took["batch, µs"][side].append(float(np.median(draw(buffer, None, args))))
            took["add, µs per transition"][side].append(store(buffer, args.adds))
    table = Table("", "Stable-Baselines3", "frames", "ratio (quartiles)", "")
    arrays = [value for value in vars(theirs).values() if isinstance(value, np.ndarray)]
    bytes_each = sum(array.nbytes for array in arrays) / args.capacity
    table.add_row(*row("bytes per transition", [ours.transition_bytes], [bytes_each]))
    for title, (found, beside) in took.items():
        table.add_row(*row(title, found, beside))
    console.print(table)


if __name__ == "__main__":
    main()
