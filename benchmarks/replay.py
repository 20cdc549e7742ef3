"""
Time and memory of the compact replay buffer next to Stable-Baselines3's.

Both hold the same transitions of the dog's size (223 observations, 38 actions) in episodes of 500,
far more than the caches hold, and take turns: the same seed gives them the same batches. Then the
prioritised buffer draws batches and takes their errors, by itself. The share is that of a gradient
step of SAC with two hidden layers of 256, batch included. Run it on an idle machine:

    python benchmarks/replay.py
"""

import argparse
import platform
import time
from typing import Any

import numpy as np
import stable_baselines3
import torch as th
from rich.console import Console
from rich.progress import track
from rich.table import Table
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

import sb3_scale
from lib.measuring import Spaces, measure
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale_densenet.prioritized import PrioritizedReplayBuffer
from update_throughput import ratio

OBSERVATIONS, ACTIONS = 223, 38
EPISODE = 500
POOL = 4_096
"""Observations that are stored again and again, each time in another place."""


def store(buffer: ReplayBuffer) -> float:
    """
    :param buffer: filled
    :return: microseconds per transition
    """
    generator = np.random.default_rng(0)
    pool = generator.standard_normal((POOL + 2, 1, OBSERVATIONS), np.float32)
    action, reward = generator.uniform(-1, 1, (1, ACTIONS)), np.ones(1)
    start = time.perf_counter()
    for step in range(buffer.buffer_size):
        at = step % POOL
        end = step % EPISODE == EPISODE - 1
        next_observation = pool[at + 2] if end else pool[(at + 1) % POOL]
        buffer.add(pool[at], next_observation, action, reward, np.array([end]), [{}])
    return (time.perf_counter() - start) / buffer.buffer_size * 1e6


def draw(buffer: ReplayBuffer, env: VecNormalize | None, args: argparse.Namespace) -> list[float]:
    """
    :param buffer: a full one
    :param env: whose statistics normalise, or nothing
    :param args: of the command line
    :return: microseconds per batch
    """
    times = []
    for _ in range(args.batches):
        start = time.perf_counter()
        buffer.sample(args.batch_size, env=env)
        if args.device == "cuda":
            th.cuda.synchronize()
        times.append((time.perf_counter() - start) * 1e6)
    return times


def normalization() -> VecNormalize:
    """
    :return: normalises observations by statistics of random ones
    """
    env = VecNormalize(DummyVecEnv([lambda: Spaces((OBSERVATIONS,), ACTIONS)]), norm_reward=False)
    generator = np.random.default_rng(0)
    env.obs_rms.update(generator.standard_normal((100, OBSERVATIONS)))
    return env


def gradient_step(ours: CompactReplayBuffer, args: argparse.Namespace) -> float:
    """
    :param ours: where the batches come from
    :param args: of the command line
    :return: microseconds per gradient step of SAC 2 x 256, drawing the batch included
    """
    network = {"name": "mlp", "width": 256, "depth": 2}
    parts: dict[str, Any] = {
        "actor": {"name": "squashed-gaussian", "network": network},
        "critic": {"name": "ensemble", "network": network},
    }
    env = Spaces((OBSERVATIONS,), ACTIONS)
    model = sb3_scale.SAC(
        "ScalePolicy", env, buffer_size=1, policy_kwargs=parts, device=args.device, seed=0
    )
    model.set_logger(Logger(None, []))
    model.replay_buffer = ours
    measure(model, args.batch_size, 1)
    return 1e6 / measure(model, args.batch_size, args.seconds)


def draw_and_tell(buffer: PrioritizedReplayBuffer, args: argparse.Namespace) -> list[float]:
    """
    :param buffer: a full one
    :param args: of the command line
    :return: microseconds to draw a batch and to change its priorities
    """
    times = []
    for _ in range(args.batches):
        errors = th.rand(args.batch_size)
        start = time.perf_counter()
        data = buffer.sample(args.batch_size)
        buffer.update_priorities(data.indices, errors)
        buffer.settle()
        times.append((time.perf_counter() - start) * 1e6)
    return times


def row(title: str, ours: Any, theirs: Any, step: float | None = None) -> list[str]:
    """
    :param title: of the row
    :param ours: figures in each round
    :param theirs: likewise
    :param step: microseconds of a gradient step, if ours is a part of it
    :return: medians, the ratio with its quartiles over the rounds, the share
    """
    share = f"{np.median(ours) / step:.1%}" if step else ""
    shown = ratio(ours, theirs) if len(ours) > 1 else f"{ours[0] / theirs[0]:.2f}"
    return [title, f"{np.median(theirs):.0f}", f"{np.median(ours):.0f}", shown, share]


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--capacity", type=int, default=1_000_000)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=21, help="turns of each side")
    parser.add_argument("--batches", type=int, default=100, help="of a turn")
    parser.add_argument("--seconds", type=float, default=5, help="to measure the gradient step")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--storage", choices=["auto", "host", "device"], default="auto")
    parser.add_argument("--threads", type=int, default=th.get_num_threads())
    args = parser.parse_args()
    th.set_num_threads(args.threads)

    env = normalization()
    spaces = env.observation_space, env.action_space
    theirs = ReplayBuffer(args.capacity, *spaces, args.device)
    ours = CompactReplayBuffer(args.capacity, *spaces, args.device, storage=args.storage)
    console = Console()
    console.print(
        f"{OBSERVATIONS} observations, {ACTIONS} actions, batch {args.batch_size}, {args.rounds} "
        f"rounds of {args.batches} batches; {platform.machine()}, {args.device}, {args.threads} "
        f"threads, PyTorch {th.__version__}, "
        f"Stable-Baselines3 {stable_baselines3.__version__}\n{ours.summary()}"
    )
    arrays = [value for value in vars(theirs).values() if isinstance(value, np.ndarray)]
    table = Table("", "Stable-Baselines3", "compact", "ratio (quartiles)", "of a gradient step")
    bytes_each = sum(array.nbytes for array in arrays) / args.capacity
    table.add_row(*row("bytes per transition", [ours.transition_bytes], [bytes_each]))
    added = [store(buffer) for buffer in (ours, theirs)]
    step = gradient_step(ours, args)
    for title, normalizing in (("batch, µs", None), ("batch, VecNormalize, µs", env)):
        ours_took, theirs_took = [], []
        for round_ in track(range(args.rounds), title, transient=True):
            np.random.seed(round_)
            # Who goes first changes, so that no side always meets a warm or a cold cache.
            sides = (ours, theirs) if round_ % 2 else (theirs, ours)
            found = {side: np.median(draw(side, normalizing, args)) for side in sides}
            ours_took.append(found[ours])
            theirs_took.append(found[theirs])
        table.add_row(*row(title, ours_took, theirs_took, step))
    table.add_row(*row("add, µs per transition", [added[0]], [added[1]]))
    del theirs
    prioritized = PrioritizedReplayBuffer(args.capacity, *spaces, args.device, storage=args.storage)
    adding = store(prioritized)
    took = [float(np.median(draw_and_tell(prioritized, args))) for _ in range(args.rounds)]
    share = f"{np.median(took) / step:.1%}"
    shown = f"{np.median(took):.0f}"
    table.add_row("prioritized: batch and its priorities, µs", "", shown, "", share)
    table.add_row("prioritized: add, µs per transition", "", f"{adding:.0f}", "", "")
    table.add_row("gradient step, µs", "", f"{step:.0f}", "", "")
    console.print(table)


if __name__ == "__main__":
    main()
