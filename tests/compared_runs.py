"""Folders and tables for the tests of sb3-scale compare."""

import csv
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sb3_scale.compare.evaluations import COLUMNS


def write_table(path: Path, curves: dict[tuple[str, str, int], Sequence[float]], **more) -> Path:
    """
    A table of evaluations, every 1000 environment steps.

    :param path: of the file
    :param curves: returns by label, task and seed
    :param more: further columns, with one value for all lines
    """
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*COLUMNS, *more])
        for (label, task, seed), returns in curves.items():
            for number, value in enumerate(returns, 1):
                decisions = 500 * number
                counts = (2.0, 2, decisions, 1000 * number, 2 * decisions, 5)
                writer.writerow([task, label, seed, *counts, value, 1.5, *more.values()])
    return path


def copy_run(run: Path, folder: Path, seed: int, returns: Sequence[float] = ()) -> Path:
    """
    :param run: of RL-Zoo
    :param folder: of the copy
    :param seed: of the copy
    :param returns: of its evaluations, those of the run by default
    """
    shutil.copytree(run, folder)
    arguments = next(folder.glob("*/args.yml"))
    text = re.sub(r"(- seed\n +- )\d+", rf"\g<1>{seed}", arguments.read_text())
    arguments.write_text(text)
    if len(returns):
        write_evaluations(folder / "evaluations.npz", returns)
    return folder


def change_run(folder: Path, key: str, value: str) -> Path:
    """
    :param folder: of a run of RL-Zoo
    :param key: a setting that its ``config.yml`` lacks
    :param value: of it, in YAML
    """
    with next(folder.glob("*/config.yml")).open("a") as file:
        file.write(f"  - - {key}\n    - {value}\n")
    return folder


def write_evaluations(path: Path, returns: Sequence[float]) -> None:
    """
    :param path: of the file
    :param returns: of two evaluations of one episode, as the run of the tests has them
    """
    results = np.array(returns, dtype=np.float64).reshape(-1, 1)
    timesteps = 200 * np.arange(1, len(results) + 1)
    np.savez(path, timesteps=timesteps, results=results, ep_lengths=np.full(results.shape, 200))


def small_run(folder: Path) -> Path:
    """
    :param folder: where to train
    :return: a run of RL-Zoo with seed 0: 2 episodes, 2 evaluations of 1 episode
    """
    from zoo_commands import SMALL, train

    small = [*SMALL, "policy_kwargs:dict(net_arch=[8])"]
    options = ["--eval-freq", "200", "--eval-episodes", "1", "--seed", "0", "-f", "logs"]
    train(folder, "Pendulum-v1", 400, *options, *small, "learning_starts:390")
    return folder / "logs" / "sac" / "Pendulum-v1_1"
