"""
How far one gradient step travels: files crossed, moves between files, calls.

A small model trains on Pendulum-v1 for 50 decisions; then one gradient step runs under
``sys.setprofile``. Only frames whose file lies in sb3_scale or in one of its plugins count, next to
them those of Stable-Baselines3 and sb3-contrib for their own algorithm. A move is a change of the
file of the innermost such frame, at a call or a return:

    python benchmarks/trace_step.py --algo sac
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import sb3_contrib
import stable_baselines3
from rich.console import Console

import sb3_scale
from sb3_scale.plugins import manager
from sb3_scale.tables import make_table
from sb3_scale_crossq.algorithm import CrossQ

ALGORITHMS: dict[str, tuple[Any, Any]] = {
    "sac": (sb3_scale.SAC, stable_baselines3.SAC),
    "td3": (sb3_scale.TD3, stable_baselines3.TD3),
    "crossq": (CrossQ, sb3_contrib.CrossQ),
}
"""Ours and theirs."""

BATCH = 64


@dataclass
class Trace:
    """
    What a function crosses.

    :param calls: of functions of each file
    :param moves: into each file from another
    """

    calls: Counter[str] = field(default_factory=Counter)
    moves: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        return f"{len(self.calls)} files, {self.moves.total()} moves, {self.calls.total()} calls"


def trace(function: Callable[[], object], folders: Sequence[Path]) -> Trace:
    """
    :param function: runs once
    :param folders: only files below them count
    :return: which of their files it crosses
    """
    roots = tuple(f"{folder}/" for folder in folders)
    events: list[tuple[str, str]] = []

    def note(frame: FrameType, event: str, _: object) -> None:
        file = frame.f_code.co_filename
        if event in ("call", "return") and file.startswith(roots):
            events.append((event, file))

    sys.setprofile(note)
    try:
        function()
    finally:
        sys.setprofile(None)
    return _follow(events)


def _follow(events: Sequence[tuple[str, str]]) -> Trace:
    found, stack, here = Trace(), list[str](), ""
    for event, file in events:
        if event == "call":
            stack.append(file)
            found.calls[file] += 1
        elif stack:
            stack.pop()
        before, here = here, stack[-1] if stack else here
        if before and here != before:
            found.moves[here] += 1
    return found


def trained(algorithm: Any, policy: str) -> Any:
    """
    :param algorithm: class of the algorithm
    :param policy: its name
    :return: a small model, whose optimisers have stepped
    """
    settings = {"learning_starts": 10, "batch_size": BATCH, "seed": 0, "device": "cpu"}
    return algorithm(policy, "Pendulum-v1", **settings).learn(50)


def folders_of(*packages: str) -> list[Path]:
    """
    :param packages: names of packages
    :return: where their files are
    """
    return [Path(str(import_module(package).__file__)).parent for package in packages]


def main() -> None:
    """Print a table per side, by file."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--algo", choices=ALGORITHMS, default="sac")
    args = parser.parse_args()
    ours, theirs = ALGORITHMS[args.algo]
    plugins = {plugin.module.partition(".")[0] for plugin in manager().plugins}
    sides = (
        ("sb3_scale", ours, "ScalePolicy", folders_of(*plugins)),
        ("its original", theirs, "MlpPolicy", folders_of("stable_baselines3", "sb3_contrib")),
    )
    console = Console(markup=False, highlight=False)
    for name, algorithm, policy, folders in sides:
        model = trained(algorithm, policy)
        found = trace(lambda model=model: model.train(1, BATCH), folders)  # type: ignore[misc]
        above = [folder.parent for folder in folders]
        rows = [
            (_short(file, above), str(calls), str(found.moves[file]))
            for file, calls in found.calls.most_common()
        ]
        title = f"{args.algo}, {name}: {found}"
        console.print(make_table(("file", "calls", "moves into it"), rows, title), "")


def _short(file: str, above: Sequence[Path]) -> str:
    return next(
        str(Path(file).relative_to(folder)) for folder in above if file.startswith(f"{folder}/")
    )


if __name__ == "__main__":
    main()
