"""Who takes turns in ``update_throughput.py``: our variants and other implementations."""

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import sb3_contrib
import stable_baselines3

from lib.configurations import (
    ACTIONS,
    OBSERVATIONS,
    TRANSITIONS,
    VARIANTS,
    Configuration,
    known_variants,
    make,
    prepare,
)
from lib.leanrl_style import LeanSAC
from lib.measuring import measure
from lib.workers import worker

OTHERS = ("SB3", "sb3-contrib", "SBX", "LeanRL")

Side = Callable[[float], float]
"""Trains for some seconds and gives the gradient steps per second."""


def own_sides(configuration: Configuration, args: argparse.Namespace) -> dict[str, Side]:
    """
    :param configuration: what is trained
    :param args: of the command line
    :return: our variants
    """
    return {
        name: partial(
            measure,
            make(configuration, args.batch_size, args.device, **VARIANTS[name]),
            args.batch_size,
            gradient_steps=args.gradient_steps,
        )
        for name in known_variants(args.variants)
    }


def torch_side(name: str, configuration: Configuration, args: argparse.Namespace) -> Side:
    """
    :param name: ``SB3``, ``sb3-contrib`` or ``LeanRL``
    :param configuration: what is trained
    :param args: of the command line
    :return: the other implementation in this process
    """
    if name == "LeanRL":
        actor, critic = configuration.actor, configuration.critic
        sizes = (OBSERVATIONS, ACTIONS, actor, critic, TRANSITIONS)
        model: Any = LeanSAC(*sizes, device=args.device, compiled=args.device == "cuda")
    else:
        algorithm = stable_baselines3.SAC if name == "SB3" else sb3_contrib.CrossQ
        net = {"pi": list(configuration.actor), "qf": list(configuration.critic)}
        model = prepare(
            algorithm, "MlpPolicy", {"net_arch": net}, args.batch_size, device=args.device
        )
    return partial(measure, model, args.batch_size, gradient_steps=args.gradient_steps)


@contextmanager
def sbx_side(configuration: Configuration, args: argparse.Namespace) -> Iterator[Side]:
    """
    :param configuration: what is trained
    :param args: of the command line
    :return: SBX in a process of its own, which is idle between its turns
    """
    options = {
        "algorithm": [configuration.algorithm.__name__],
        "actor": configuration.actor,
        "critic": configuration.critic,
        "observations": [OBSERVATIONS],
        "actions": [ACTIONS],
        "transitions": [TRANSITIONS],
        "batch-size": [args.batch_size],
        "gradient-steps": [args.gradient_steps],
        "threads": [args.threads],
    }
    command = [args.sbx_python, str(Path(__file__).parents[1] / "sbx_worker.py")]
    for name, values in options.items():
        command += [f"--{name}", *map(str, values)]
    with worker(command) as ask:
        yield lambda seconds: ask(seconds)[0]


def wanted(configuration: Configuration, args: argparse.Namespace) -> list[str]:
    """
    :param configuration: what is trained
    :param args: of the command line
    :return: the other implementations that have it and can be run
    """
    present = set(configuration.others) & set(args.others)
    if not args.sbx_python:
        present.discard("SBX")
    return [name for name in OTHERS if name in present]
