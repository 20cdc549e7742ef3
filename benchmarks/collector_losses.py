"""
A training that loses a collector again and again, and a node once.

Walker-run by a recipe with 2 collectors of 4 environments on a cluster of two nodes on this
machine. Each step of each environment has a number; at the end it prints how many decisions and
gradient steps there were, how many transitions came twice or were left out between two that came,
and the return of 5 episodes. Without ``--kill-every`` and ``--lose-node-at`` nothing is lost:

    python benchmarks/collector_losses.py --seeds 0 1 --kill-every 20 --lose-node-at 120
"""

import argparse
import random
import signal
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import gymnasium
from rich.console import Console
from rich.table import Table
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.monitor import Monitor

import sb3_scale
from lib.clusters import collectors, two_nodes
from lib.numbered import Numbered

COLLECTORS, ENVS = 2, 4


class Losses(BaseCallback):
    """
    Takes collectors and a node away, and counts what comes.

    :param kill_every: seconds between two collectors
    :param lose_node_at: second
    :param lose_node: takes it away
    """

    def __init__(
        self, kill_every: float, lose_node_at: float, lose_node: Callable[[], None]
    ) -> None:
        super().__init__()
        self._every = kill_every
        self._node_at = lose_node_at
        self._lose_node = lose_node
        self._begun = time.monotonic()
        self._next = self._begun + kill_every
        self._seen: dict[int, list[int]] = defaultdict(list)
        self.killed = 0

    def _on_step(self) -> bool:
        for info in self.locals["infos"]:
            life, count = info["number"]
            self._seen[life].append(count)
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._every
            if there := collectors():
                random.choice(there).send_signal(signal.SIGKILL)
                self.killed += 1
        if now - self._begun >= self._node_at:
            self._node_at = float("inf")
            self._lose_node()
        return True

    def twice(self) -> int:
        """
        :return: transitions that came more than once
        """
        return sum(len(counts) - len(set(counts)) for counts in self._seen.values())

    def missing(self) -> int:
        """
        :return: transitions that did not come though a later one of the same environment did
        """
        return sum(max(counts) - len(set(counts)) for counts in self._seen.values())


def make(task: str, action_repeat: int) -> gymnasium.Env[Any, Any]:
    """
    :param task: of dm_control
    :param action_repeat: of each decision
    :return: one environment with numbers
    """
    return Numbered(gymnasium.make(task, action_repeat=action_repeat))


def run(seed: int, args: argparse.Namespace) -> tuple[Any, ...]:
    """
    :param seed: of the training
    :param args: of the command line
    :return: a row of the table
    """
    changes: dict[str, Any] = {
        "collector": {"name": "ray", "collectors": COLLECTORS, "envs": ENVS},
        "train_freq": 1,
        "gradient_steps": COLLECTORS * ENVS,
        "learning_starts": args.learning_starts,
        "policy_kwargs.extractor.pretraining_steps": args.pretraining,
        "callback": None,
    }
    begun = time.monotonic()
    with two_nodes(COLLECTORS) as lose_node:
        losses = Losses(args.kill_every, args.lose_node_at, lose_node)
        env: Any = lambda: make(args.task, 2)  # noqa: E731
        model = sb3_scale.recipe(args.recipe, env, seed=seed, device="cpu", **changes)
        model.learn(args.decisions, losses)
    seconds = time.monotonic() - begun
    told = model.logger.name_to_value
    mean, deviation = evaluate_policy(model, Monitor(make(args.task, 2)), 5)
    buffer: Any = model.replay_buffer
    return (
        seed,
        model.num_timesteps,
        buffer.streams.stored,
        model._n_updates,
        losses.killed,
        int(told.get("collectors/restarts", 0)),
        losses.twice(),
        losses.missing(),
        f"{mean:.1f} +- {deviation:.1f}",
        f"{seconds:.0f}",
    )


def main() -> None:
    """Train with each seed, and print the table."""
    never = float("inf")
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--task", default="walker-run")
    parser.add_argument("--recipe", default="densenet-ofenet-s")
    parser.add_argument("--decisions", type=int, default=15_000)
    parser.add_argument("--learning-starts", type=int, default=2000, help="random decisions")
    parser.add_argument("--pretraining", type=int, default=2000, help="steps of the extractor")
    parser.add_argument("--kill-every", type=float, default=never, help="seconds, never by default")
    parser.add_argument("--lose-node-at", type=float, default=never, help="second, by default none")
    args = parser.parse_args()
    table = Table(
        *("seed", "decisions", "stored", "gradient steps", "killed", "replaced", "twice"),
        *("left out", "return", "seconds"),
    )
    for seed in args.seeds:
        table.add_row(*map(str, run(seed, args)))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
