"""
Memory of a training with collectors on Ray over a long time: learner, collectors, object store.

SAC of Pendulum's size with 2 collectors of 4 environments, on a cluster of two nodes on this
machine. Every 10 s a line of a CSV file gets the memory of the learner and of each collector that
no other process shares, and the bytes that are used in the object store, which Ray itself tells. At
the end it prints how fast each grew after the first fifth, in which buffers fill. ``--kill-every``
kills one collector's process again and again, ``--lose-node-at`` a whole node once:

    python benchmarks/collector_soak.py --minutes 20 --kill-every 20 --lose-node-at 300
"""

import argparse
import csv
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import psutil
import ray
from rich.console import Console
from rich.table import Table
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

import sb3_scale
from lib.clusters import collectors, two_nodes
from sb3_scale.collection.unmade import UnmadeVecEnv

COLLECTORS, ENVS = 2, 4
MB = 2**20
COLUMNS = ("seconds", "decisions", "updates", "restarts", "learner", "collectors", "object store")
"""The last three in MB, of collectors the mean."""


def own_memory(process: psutil.Process) -> float:
    """
    :param process: that lives
    :return: MB that it holds and shares with no other, so without the object store
    """
    memory = process.memory_info()
    return float(memory.rss - memory.shared) / MB


def store_used() -> float:
    """
    :return: MB of objects in the object stores of all nodes
    """
    untyped: Any = ray
    there, free = untyped.cluster_resources(), untyped.available_resources()
    return float(there["object_store_memory"] - free.get("object_store_memory", 0.0)) / MB


class Watch(BaseCallback):
    """
    Writes the file, and ends the training when its time is over.

    :param path: of the file
    :param args: of the command line
    :param lose_node: takes a node away
    """

    def __init__(self, path: Path, args: argparse.Namespace, lose_node: Callable[[], None]) -> None:
        super().__init__()
        self._path = path
        self._limit: float = args.minutes * 60
        self._rate: float = args.decisions_per_second
        self._lose_node = lose_node
        self._begun = 0.0
        self._due = {
            self._line: (0.0, args.every),
            self._kill: (args.kill_every, args.kill_every),
            self._lose: (args.lose_node_at, float("inf")),
        }
        with path.open("w", newline="") as file:
            csv.writer(file).writerow(COLUMNS)

    def _on_step(self) -> bool:
        # The collectors are made by now.
        self._begun = self._begun or time.monotonic()
        passed = time.monotonic() - self._begun
        # So that other work of the machine does not stand still for so long.
        time.sleep(max(self.num_timesteps / self._rate - passed, 0.0))
        for act, (at, every) in self._due.items():
            if passed >= at:
                self._due[act] = passed + every, every
                act(passed)
        return passed < self._limit

    def _line(self, passed: float) -> None:
        theirs = []
        for process in collectors():
            try:
                theirs.append(own_memory(process))
            except psutil.NoSuchProcess:
                continue
        model: Any = self.model
        told = model.logger.name_to_value
        line = (
            round(passed, 1),
            self.num_timesteps,
            model._n_updates,
            int(told["collectors/restarts"]),
            round(own_memory(psutil.Process()), 2),
            round(float(np.mean(theirs)), 2) if theirs else "",
            round(store_used(), 3),
        )
        with self._path.open("a", newline="") as file:
            csv.writer(file).writerow(line)

    def _kill(self, passed: float) -> None:
        if there := collectors():
            random.choice(there).send_signal(signal.SIGKILL)

    def _lose(self, passed: float) -> None:
        self._lose_node()


def train(watch: Watch) -> Any:
    """
    :param watch: ends it
    :return: the model
    """
    network = {"name": "mlp", "width": 64, "depth": 2}
    unmade: Any = UnmadeVecEnv
    settings: dict[str, Any] = {
        "policy_kwargs": {
            "actor": {"name": "squashed-gaussian", "network": network},
            "critic": {"name": "ensemble", "network": network},
        },
        "collector": {
            "name": "ray",
            "collectors": COLLECTORS,
            "envs": ENVS,
            "updates_per_decision": [0, 0.25],
        },
        "buffer_size": 10_000,
        "learning_starts": 200,
        "compile": False,
    }
    env = make_vec_env("Pendulum-v1", COLLECTORS * ENVS, seed=0, vec_env_cls=unmade)
    model = sb3_scale.SAC("ScalePolicy", env, device="cpu", seed=0, **settings)
    return model.learn(10**12, watch, log_interval=100)


def report(path: Path, allowed: float) -> Table:
    """
    :param path: of the file
    :param allowed: MB per hour
    :return: memory at the end, slope, and whether it is flat
    """
    lines = pandas.read_csv(path)
    late = lines[lines["seconds"] >= lines["seconds"].iloc[-1] / 5]
    table = Table("", "after a fifth, MB", "at the end, MB", "MB per hour", "flat")
    for name in COLUMNS[-3:]:
        known = late.dropna(subset=[name])
        slope = np.polyfit(known["seconds"] / 3600, known[name], 1)[0]
        ends = known[name].iloc[[0, -1]]
        flat = "yes" if slope <= allowed else f"no, above {allowed:g}"
        table.add_row(name, *(f"{value:.1f}" for value in ends), f"{slope:+.1f}", flat)
    return table


def arguments() -> argparse.Namespace:
    """
    :return: of the command line
    """
    never = float("inf")
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--every", type=float, default=10, help="seconds between lines")
    parser.add_argument("--kill-every", type=float, default=never, help="seconds, never by default")
    parser.add_argument("--lose-node-at", type=float, default=never, help="second, by default none")
    parser.add_argument("--allowed", type=float, default=20, help="MB per hour that count as flat")
    parser.add_argument(
        "--decisions-per-second", type=float, default=never, help="at most, by default no bound"
    )
    parser.add_argument("--out", type=Path, default=Path("collector_soak.csv"))
    return parser.parse_args()


def main() -> None:
    """Train, print the table, and exit with 1 if some memory is not flat."""
    args = arguments()
    with two_nodes(COLLECTORS) as lose_node:
        watch = Watch(args.out, args, lose_node)
        model = train(watch)
    restarts = model.logger.name_to_value["collectors/restarts"]
    console = Console()
    console.print(
        f"{args.minutes:g} minutes, {model.num_timesteps} decisions, {model._n_updates} gradient "
        f"steps, {restarts} collectors replaced"
    )
    table = report(args.out, args.allowed)
    console.print(table)
    if any(cell != "yes" for cell in table.columns[-1].cells):
        sys.exit(1)


if __name__ == "__main__":
    main()
