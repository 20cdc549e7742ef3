"""
How the time of a gradient step grows with width, ensemble, batch, update-to-data ratio and
environments.

Around SAC 2 x 256 with two critics, batch 256, one gradient step per decision and one environment,
one number changes at a time. The first three axes give seconds per gradient step, the last two
seconds per decision: of the updates alone, and of environment and update together, where each
transition is followed by one gradient step. Fitted is the exponent of a power law, over all values
and over the upper half. A run that was stopped goes on where it stopped:

    python benchmarks/cost_growth.py --out results/cost_growth
"""

import argparse
import csv
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import matplotlib as mpl
import numpy as np
import torch as th
from rich.console import Console
from rich.progress import track
from rich.table import Table
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv

import sb3_scale
from lib.configurations import VARIANTS, known_variants, prepare, sac

AXES: dict[str, tuple[str, list[int]]] = {
    "width": ("of the hidden layers", [128, 256, 512, 1024, 2048, 4096]),
    "members": ("critics", [1, 2, 3, 5, 7, 10]),
    "batch": ("transitions", [64, 128, 256, 512, 1024, 2048, 4096]),
    "utd": ("gradient steps per decision", [1, 2, 4, 8, 16, 32]),
    "n_envs": ("environments", [1, 2, 4, 8, 16, 32, 64]),
}
WIDTH, MEMBERS, BATCH, UTD = 256, 2, 256, 1
FIELDS = ("axis", "value", "seconds", "repeats", "variant", "device", "threads")
WARMUP = 3
"""Calls before the measurement, the first of which compiles."""

LEARNING_STARTS = 128
"""Transitions before the first gradient step of the last axis."""

Point = dict[str, str]

Curve = tuple[list[int], list[float]]
"""Values on an axis, increasing, and the seconds at each."""


def parts(width: int, members: int) -> dict[str, Any]:
    """
    :param width: of the hidden layers
    :param members: size of the ensemble
    :return: arguments of ScalePolicy
    """
    base = sac(width, width).policy_kwargs
    return {**base, "critic": {**base["critic"], "n_critics": members}}


def repeat(call: Callable[[], object], args: argparse.Namespace) -> tuple[float, int]:
    """
    :param call: what to time
    :param args: of the command line
    :return: median seconds, and of how many calls; one call is enough where it takes long
    """
    begin = time.perf_counter()
    taken: list[float] = []
    warm = 0
    while not taken or sum(taken) < args.seconds:
        start = time.perf_counter()
        call()
        if args.device == "cuda":
            th.cuda.synchronize()
        now = time.perf_counter()
        if warm < WARMUP and now - begin < args.limit / 2:
            warm += 1
            continue
        taken.append(now - start)
        if now - begin > args.limit:
            break
    return float(np.median(taken)), len(taken)


def update_point(axis: str, value: int, args: argparse.Namespace) -> tuple[float, int]:
    """
    :param axis: of ``AXES``, all but ``n_envs``
    :param value: on it
    :param args: of the command line
    :return: seconds of a ``train`` call, and of how many calls
    """
    sizes = {"width": WIDTH, "members": MEMBERS, "batch": BATCH, "utd": UTD, axis: value}
    model = prepare(
        sb3_scale.SAC,
        "ScalePolicy",
        parts(sizes["width"], sizes["members"]),
        sizes["batch"],
        device=args.device,
        **VARIANTS[args.variant],
    )
    return repeat(lambda: model.train(sizes["utd"], sizes["batch"]), args)


class StepClock(BaseCallback):
    """
    Times the steps of a vectorised environment, each with its updates.

    :param args: of the command line
    """

    def __init__(self, args: argparse.Namespace) -> None:
        super().__init__()
        self.args = args
        self.taken: list[float] = []

    def _on_training_start(self) -> None:
        self.begin = self.last = time.perf_counter()

    def _on_step(self) -> bool:
        now = time.perf_counter()
        # The first step that learns may compile.
        if self.num_timesteps > LEARNING_STARTS + 2 * self.training_env.num_envs:
            self.taken.append(now - self.last)
        self.last = now
        enough = sum(self.taken) > self.args.seconds or now - self.begin > self.args.limit
        return not (self.taken and enough)


def env_point(n_envs: int, args: argparse.Namespace) -> tuple[float, int]:
    """
    :param n_envs: number of environments, stepped one after another in this process
    :param args: of the command line
    :return: seconds per decision, its share of environment, action and update, and of how many
        vectorised steps
    """
    sb3_scale.register_envs()
    env = DummyVecEnv([lambda: gymnasium.make(args.env, action_repeat=2)] * n_envs)
    model = sb3_scale.SAC(
        "ScalePolicy",
        env,
        buffer_size=100_000,
        learning_starts=LEARNING_STARTS,
        batch_size=BATCH,
        gradient_steps=-1,
        policy_kwargs=parts(WIDTH, MEMBERS),
        device=args.device,
        seed=0,
        **VARIANTS[args.variant],
    )
    clock = StepClock(args)
    model.learn(1_000_000, clock)
    env.close()
    return float(np.median(clock.taken)) / n_envs, len(clock.taken)


def power_law(values: list[int], seconds: list[float]) -> tuple[float, float]:
    """
    :param values: on an axis
    :param seconds: at each
    :return: exponent and factor, by least squares of the logarithms
    """
    slope, offset = np.polyfit(np.log(values), np.log(seconds), 1)
    return float(slope), float(np.exp(offset))


def read(path: Path) -> list[Point]:
    """
    :param path: of the CSV file
    :return: its points, none if there is no file
    """
    if not path.exists():
        return []
    with path.open() as file:
        return list(csv.DictReader(file))


def measure_missing(path: Path, args: argparse.Namespace) -> list[Point]:
    """
    :param path: of the CSV file, which each point is added to when it is done
    :param args: of the command line
    :return: all points of these settings
    """
    settings = {"variant": args.variant, "device": args.device, "threads": str(args.threads)}

    def fitting() -> list[Point]:
        return [point for point in read(path) if settings.items() <= point.items()]

    done = {(point["axis"], int(point["value"])) for point in fitting()}
    todo = [
        (axis, value)
        for axis in args.axes
        for value in AXES[axis][1]
        if (axis, value) not in done and value <= args.largest
    ]
    for axis, value in track(todo, "points"):
        if axis == "n_envs":
            seconds, repeats = env_point(value, args)
        else:
            seconds, repeats = update_point(axis, value, args)
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            if new:
                writer.writeheader()
            point = {"axis": axis, "value": value, "seconds": seconds, "repeats": repeats}
            writer.writerow({**point, **settings})
    return fitting()


def curves(points: list[Point], axes: list[str]) -> dict[str, Curve]:
    """
    :param points: measured
    :param axes: to show
    :return: increasing values and their seconds, of each axis with at least four points
    """
    found = {}
    for axis in axes:
        own = sorted((int(p["value"]), float(p["seconds"])) for p in points if p["axis"] == axis)
        if len(own) >= 4:
            found[axis] = ([value for value, _ in own], [seconds for _, seconds in own])
    return found


def upper(values: list[int], seconds: list[float]) -> tuple[list[int], list[float]]:
    """
    :param values: on an axis, increasing
    :param seconds: at each
    :return: the upper half of both
    """
    half = len(values) // 2
    return values[half:], seconds[half:]


def table(found: dict[str, Curve]) -> Table:
    """
    :param found: values and seconds of each axis
    :return: one row per axis
    """
    result = Table("axis", "milliseconds at each value", "exponent", "of the upper half")
    for axis, curve in found.items():
        cells = "  ".join(f"{v}: {1e3 * s:.2f}" for v, s in zip(*curve, strict=True))
        slopes = (power_law(*curve)[0], power_law(*upper(*curve))[0])
        result.add_row(f"{axis} ({AXES[axis][0]})", cells, *map("{:.2f}".format, slopes))
    return result


def draw(found: dict[str, Curve], path: Path) -> None:
    """
    :param found: values and seconds of each axis
    :param path: of the picture
    """
    mpl.use("Agg")
    from matplotlib import pyplot, ticker

    figure, panels = pyplot.subplots(
        1, len(found), figsize=(3.2 * len(found), 3.2), squeeze=False, layout="constrained"
    )
    for panel, (axis, (values, seconds)) in zip(panels[0], found.items(), strict=True):
        last, _ = upper(values, seconds)
        slope, factor = power_law(*upper(values, seconds))
        milliseconds = np.multiply(seconds, 1e3)
        panel.loglog(values, milliseconds, "o", color="#0072B2")
        panel.loglog(last, 1e3 * factor * np.power(last, slope), "--", color="#555555")
        panel.set_title(f"exponent {slope:.2f} (all: {power_law(values, seconds)[0]:.2f})")
        panel.set_xticks(values, map(str, values), rotation=45)
        panel.set_ylim(milliseconds.min() / 2, milliseconds.max() * 2)
        panel.yaxis.set_major_locator(ticker.LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.minorticks_off()
        panel.set_xlabel(f"{axis}: {AXES[axis][0]}")
        per = "decision" if axis in ("utd", "n_envs") else "gradient step"
        panel.set_ylabel(f"ms per {per}")
    figure.savefig(path, dpi=150)


def main() -> None:
    """Measure what is missing, print the table, draw the picture."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--axes", nargs="+", default=list(AXES), choices=AXES)
    parser.add_argument("--largest", type=int, default=4096, help="value on any axis")
    parser.add_argument("--seconds", type=float, default=1.0, help="measured per point")
    parser.add_argument("--limit", type=float, default=30.0, help="seconds per point at most")
    parser.add_argument("--variant", default="eager", choices=VARIANTS)
    parser.add_argument("--env", default="dog-run", help="of the axis n_envs")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=th.get_num_threads())
    parser.add_argument("--out", type=Path, default=Path("results/cost_growth"))
    args = parser.parse_args()
    if not known_variants([args.variant]):
        parser.error(f"this version of sb3_scale has no {args.variant}; allowed: eager")
    th.set_num_threads(args.threads)
    args.out.mkdir(parents=True, exist_ok=True)
    points = measure_missing(args.out / "cost_growth.csv", args)
    found = curves(points, args.axes)
    console = Console()
    console.print(
        f"SAC 2 x {WIDTH}, {args.variant}; {platform.machine()}, {args.device}, "
        f"{args.threads} threads, PyTorch {th.__version__}"
    )
    console.print(table(found))
    if found:
        picture = args.out / "cost_growth.png"
        draw(found, picture)
        console.print(f"picture: {picture}")


if __name__ == "__main__":
    main()
