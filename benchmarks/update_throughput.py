"""
Gradient steps per second of sb3_scale's SAC next to Stable-Baselines3's, on the same networks.

Both train on one replay buffer of random transitions of the dog's size (223 observations, 38
actions), in one process, in turns, so that a drift of the machine's speed meets both. Run it on an
idle machine:

    python benchmarks/update_throughput.py
"""

import argparse
import platform
import time
from typing import Any

import gymnasium
import numpy as np
import stable_baselines3
import torch as th
from gymnasium import spaces
from rich.console import Console
from rich.progress import track
from rich.table import Table
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm

import sb3_scale

OBSERVATIONS, ACTIONS = 223, 38
TRANSITIONS = 20_000


class Spaces(gymnasium.Env[np.ndarray, np.ndarray]):
    """An environment that is never stepped: the benchmark needs its spaces alone."""

    observation_space = spaces.Box(-np.inf, np.inf, (OBSERVATIONS,), np.float32)
    action_space = spaces.Box(-1, 1, (ACTIONS,), np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[np.ndarray, dict[str, Any]]:
        """
        :param seed: without use
        :param options: without use
        :return: zeros and an empty dictionary
        """
        return np.zeros(OBSERVATIONS, np.float32), {}


def make(kind: str, width: int, batch_size: int, device: str) -> OffPolicyAlgorithm:
    """
    :param kind: ``"sb3"`` or ``"sb3_scale"``
    :param width: of the two hidden layers of actor and critics
    :param batch_size: transitions per gradient step
    :param device: ``cpu`` or ``cuda``
    :return: SAC with a filled replay buffer, ready for ``train``
    """
    model: OffPolicyAlgorithm
    options: dict[str, Any] = {
        "buffer_size": TRANSITIONS,
        "batch_size": batch_size,
        "device": device,
        "seed": 0,
    }
    if kind == "sb3":
        net = {"net_arch": [width, width]}
        model = stable_baselines3.SAC("MlpPolicy", Spaces(), policy_kwargs=net, **options)
    else:
        network = {"name": "mlp", "width": width, "depth": 2}
        parts = {
            "actor": {"name": "squashed-gaussian", "network": network},
            "critic": {"name": "ensemble", "n_critics": 2, "network": network},
        }
        model = sb3_scale.SAC("ScalePolicy", Spaces(), policy_kwargs=parts, **options)
    model.set_logger(stable_baselines3.common.logger.Logger(None, []))
    buffer = model.replay_buffer
    assert buffer is not None
    generator = np.random.default_rng(0)
    for name in ("observations", "next_observations", "rewards"):
        array = getattr(buffer, name)
        array[:] = generator.standard_normal(array.shape, np.float32)
    buffer.actions[:] = generator.uniform(-1, 1, buffer.actions.shape)
    buffer.full = True
    return model


def measure(model: OffPolicyAlgorithm, batch_size: int, seconds: float) -> float:
    """
    :param model: the algorithm
    :param batch_size: transitions per gradient step
    :param seconds: how long to measure
    :return: gradient steps per second, with one ``train`` call per step as at a ratio of 1
    """
    steps, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        model.train(gradient_steps=1, batch_size=batch_size)
        steps += 1
    if model.device.type == "cuda":
        th.cuda.synchronize()
    return steps / (time.perf_counter() - start)


def compare(width: int, args: argparse.Namespace) -> tuple[list[float], list[float]]:
    """
    :param width: of the hidden layers
    :param args: of the command line
    :return: gradient steps per second of each round, of Stable-Baselines3 and of sb3_scale
    """
    models = [make(kind, width, args.batch_size, args.device) for kind in ("sb3", "sb3_scale")]
    for model in models:
        measure(model, args.batch_size, args.seconds)
    rates: tuple[list[float], list[float]] = ([], [])
    for turn in track(range(args.rounds), f"256 x {width}", transient=True):
        # Who goes first changes, so that neither always meets a warm or a cold cache.
        for index in (0, 1) if turn % 2 == 0 else (1, 0):
            rates[index].append(measure(models[index], args.batch_size, args.seconds))
    return rates


def main() -> None:
    """Print one table: medians, and the ratio with its quartiles over the rounds."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--widths", type=int, nargs="+", default=[256, 512, 1024])
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=15, help="turns of each side")
    parser.add_argument("--seconds", type=float, default=1.5, help="length of a turn")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=th.get_num_threads())
    args = parser.parse_args()
    th.set_num_threads(args.threads)

    console = Console()
    console.print(
        f"SAC, {OBSERVATIONS} observations, {ACTIONS} actions, batch {args.batch_size}, "
        f"{args.rounds} rounds of {args.seconds} s; {platform.machine()}, {args.device}, "
        f"{args.threads} threads, PyTorch {th.__version__}, "
        f"Stable-Baselines3 {stable_baselines3.__version__}"
    )
    table = Table("hidden", "SB3 steps/s", "sb3_scale steps/s", "ratio", "quartiles of the ratio")
    for width in args.widths:
        theirs, ours = compare(width, args)
        ratios = np.divide(ours, theirs)
        low, middle, high = np.percentile(ratios, [25, 50, 75])
        table.add_row(
            f"2 x {width}",
            f"{np.median(theirs):.1f}",
            f"{np.median(ours):.1f}",
            f"{middle:.2f}",
            f"{low:.2f} to {high:.2f}",
        )
    console.print(table)


if __name__ == "__main__":
    main()
