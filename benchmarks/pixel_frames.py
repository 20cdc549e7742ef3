"""
Environment steps per second of tasks that are observed through pixels, without learning.

One row per task: the state, pixels drawn by ``physics.render`` as the references do it, and pixels
of ``TASK-pixels``, whole and with parts of the picture left out, in turns, so that a drift of the
machine's speed meets all. Actions are random and last two control steps; one picture is drawn for
each. Run it on an idle machine:

    python benchmarks/pixel_frames.py
"""

import argparse
import os
import platform
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import gymnasium
import mujoco
import numpy as np
from rich.console import Console
from rich.table import Table

import sb3_scale
from sb3_scale_envs.dm_control_pixels import CAMERAS
from sb3_scale_envs.opengl import renderer
from update_throughput import take_turns

TASKS = (
    "cartpole-swingup",
    "finger-spin",
    "cheetah-run",
    "walker-walk",
    "quadruped-walk",
    "dog-run",
)
REPEAT = 2
SIZE = 84
PICTURES: dict[str, dict[str, bool]] = {
    "pixels": {},
    "no shadows": {"shadows": False},
    "no shadows, reflections": {"shadows": False, "reflections": False},
    "no shadows, reflections, antialiasing": {
        "shadows": False,
        "reflections": False,
        "antialiasing": False,
    },
}


class PhysicsRender(gymnasium.Wrapper[Any, Any, Any, Any]):
    """
    Draws as the references do, with a new scene and camera for each picture.

    :param env: a task, made with ``render_mode="rgb_array"``
    :param camera_id: number of a camera
    """

    def __init__(self, env: "gymnasium.Env[Any, Any]", camera_id: int) -> None:
        super().__init__(env)
        task: Any = env.unwrapped
        self._draw = partial(task.physics.render, SIZE, SIZE, camera_id=camera_id)

    def step(self, action: Any) -> Any:
        """
        :param action: for the environment
        :return: a picture, and what the environment says beside it
        """
        result = self.env.step(action)
        return self._draw(), *result[1:]


def measure(env: "gymnasium.Env[Any, Any]", actions: Any, seconds: float) -> float:
    """
    :param env: an environment that has been reset
    :param actions: ``(steps, n)``, one after the other and again
    :param seconds: how long to measure
    :return: control steps per second
    """
    steps, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        _, _, terminated, truncated, _ = env.step(actions[steps % len(actions)])
        if terminated or truncated:
            env.reset()
        steps += 1
    return steps * REPEAT / passed


def compare(task: str, args: argparse.Namespace) -> dict[str, list[float]]:
    """
    :param task: id of the environment
    :param args: of the command line
    :return: control steps per second of each way to observe in each round
    """
    make = partial(gymnasium.make, action_repeat=REPEAT)
    camera = CAMERAS.get(task.partition("-")[0], 0)
    envs: dict[str, gymnasium.Env[Any, Any]] = {
        "state": make(task),
        "physics.render": PhysicsRender(make(task, render_mode="rgb_array"), camera),
        **{name: make(f"{task}-pixels", render=render) for name, render in PICTURES.items()},
    }
    with ExitStack() as stack:
        sides: dict[str, Callable[[float], float]] = {}
        for name, env in envs.items():
            stack.enter_context(closing(env))
            env.reset(seed=0)
            box: Any = env.action_space
            actions = np.random.default_rng(0).uniform(box.low, box.high, (50, *box.shape))
            sides[name] = partial(measure, env, actions.astype(np.float32))
        return take_turns(sides, task, args)


def arguments() -> argparse.Namespace:
    """
    :return: of the command line
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--tasks", nargs="+", default=list(TASKS))
    parser.add_argument("--rounds", type=int, default=5, help="turns of each way")
    parser.add_argument("--seconds", type=float, default=0.5, help="length of a turn")
    return parser.parse_args()


def main() -> None:
    """Print one table of medians."""
    args = arguments()
    sb3_scale.register_envs()
    console = Console()
    rates = {task: compare(task, args) for task in args.tasks}
    name, version = renderer()
    console.print(
        f"control steps per second, {REPEAT} per picture of {SIZE}x{SIZE}, {args.rounds} rounds of "
        f"{args.seconds} s; {platform.machine()}, {os.cpu_count()} cores, {name}, OpenGL "
        f"{version}, MuJoCo {mujoco.__version__}"
    )
    table = Table("task", "state", "physics.render", *PICTURES)
    for task, found in rates.items():
        table.add_row(task, *(f"{np.median(rate):.0f}" for rate in found.values()))
    console.print(table)


if __name__ == "__main__":
    main()
