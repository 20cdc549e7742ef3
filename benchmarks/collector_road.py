"""
Microseconds per transition of the road from a collector to the replay buffer.

A fragment goes from an actor of Ray to this process on the same machine. *Pack* is its way into the
object store, in the actor; *fetch* is ``ray.get`` of one that is there; *play* gives it to SAC:
into the replay buffer, to the callbacks and to the counts of episodes. The last two are the time
of the learner, whose reciprocal is how many decisions it can take in a second if it does nothing
else. Beside them ``ReplayBuffer.add`` of Stable-Baselines3 takes the same transitions, one step of
all environments after the other. Run it on an idle machine:

    python benchmarks/collector_road.py
"""

import argparse
import os
import pickle
import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import ray
import stable_baselines3
import torch as th
from rich.console import Console
from rich.progress import track
from rich.table import Table
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback, CallbackList

import sb3_scale
from lib.measuring import Spaces
from sb3_scale.collection.unmade import UnmadeVecEnv
from sb3_scale_apex.fragments import Fragment
from sb3_scale_apex.playing import Player

ENVS = (4, 32)
COLLECTORS = 2
"""They send in turns."""
PARTS: dict[str, Any] = {
    "actor": {"name": "squashed-gaussian", "network": {"name": "mlp", "width": 8, "depth": 1}},
    "critic": {"name": "ensemble", "network": {"name": "mlp", "width": 8, "depth": 1}},
}
"""Small: no gradient step is taken."""


@dataclass(frozen=True)
class Case:
    """
    What is sent.

    :param title: for the table
    :param shape: of an observation
    :param actions: numbers of an action
    :param capacity: transitions of the replay buffers, of all environments
    :param settings: of the algorithm
    """

    title: str
    shape: tuple[int, ...]
    actions: int
    capacity: int
    settings: dict[str, Any]


CASES = {
    "67": Case("67 numbers, 21 actions", (67,), 21, 100_000, {}),
    "223": Case("223 numbers, 38 actions", (223,), 38, 50_000, {}),
    "pixels": Case(
        "pixels, 9x84x84",
        (9, 84, 84),
        6,
        4_000,
        {
            "replay_buffer_class": "frames",
            "policy_kwargs": {**PARTS, "extractor": {"name": "drq", "channels": 1, "features": 2}},
        },
    ),
}


def make_observations(
    case: Case, envs: int, steps: int, generator: np.random.Generator
) -> np.ndarray:
    """
    :param case: what is sent
    :param envs: environments of the collector
    :param steps: decisions of each
    :param generator: of random numbers
    :return: ``(steps + 1, envs, *shape)``, the last the first, so that a fragment follows itself
    """
    stacks = case.shape[0] // 3 if len(case.shape) == 3 else 1
    one = (steps, envs, case.shape[0] // stacks, *case.shape[1:])
    if stacks > 1:
        drawn: np.ndarray = generator.integers(0, 256, one, np.uint8)
    else:
        drawn = generator.standard_normal(one, np.float32)
    newest = np.arange(steps + 1)
    return np.concatenate(
        [drawn[(newest - older) % steps] for older in reversed(range(stacks))], axis=2
    )


def make_fragment(case: Case, envs: int, steps: int) -> Fragment:
    """
    :param case: what is sent
    :param envs: environments of the collector
    :param steps: decisions of each
    :return: a fragment of random numbers; one episode ends, with its last decision
    """
    generator = np.random.default_rng(0)
    observations = make_observations(case, envs, steps, generator)
    dones = np.zeros((steps, envs), bool)
    dones[-1, 0] = True
    infos: list[list[dict[str, Any]]] = [
        [{"TimeLimit.truncated": bool(done)} for done in row] for row in dones
    ]
    infos[-1][0]["episode"] = {"r": 1.0, "l": 500, "t": 1.0}
    ends = {(steps - 1, 0): observations[-1, 0]}
    actions = generator.uniform(-1, 1, (steps, envs, case.actions)).astype(np.float32)
    rewards = generator.standard_normal((steps, envs)).astype(np.float32)
    return Fragment(
        0, 0, 0, 0, 0, observations, ends, actions, rewards, dones, infos,
        None, None, None, 0.0,
    )  # fmt: skip


class Sender:
    """
    A collector that has collected.

    :param fragment: what it sends
    """

    def __init__(self, fragment: Fragment) -> None:
        self._fragment = fragment

    def pack(self) -> float:
        """
        :return: seconds to put the fragment into the object store
        """
        start = time.perf_counter()
        place = ray.put(self._fragment)
        passed = time.perf_counter() - start
        del place
        return passed

    def send(self) -> Fragment:
        """
        :return: the fragment
        """
        return self._fragment


class Learner:
    """
    An algorithm that fragments are played to.

    :param case: what is sent
    :param envs: environments of the collector
    """

    def __init__(self, case: Case, envs: int) -> None:
        n_envs = COLLECTORS * envs
        unmade = UnmadeVecEnv([partial(Spaces, case.shape, case.actions)] * n_envs)
        settings: dict[str, Any] = {"policy_kwargs": PARTS, "device": "cpu", "seed": 0}
        self._model = sb3_scale.SAC(
            "ScalePolicy", unmade, buffer_size=case.capacity, **{**settings, **case.settings}
        )
        _, self._callback = self._model._setup_learn(10**9, CallbackList([Counts()]))
        self._player = Player(self._model, n_envs, [])
        self._envs = envs
        self._taken = 0

    def play(self, fragment: Fragment) -> float:
        """
        :param fragment: that was fetched
        :return: seconds to take all of it
        """
        first = self._taken % COLLECTORS * self._envs
        self._taken += 1
        start = time.perf_counter()
        self._player.take(fragment, np.arange(first, first + self._envs))
        while not self._player.empty:
            self._player.play(fragment.steps * fragment.envs, self._callback, None)
        return time.perf_counter() - start


class Counts(BaseCallback):
    """Does as little as a callback can."""

    def _on_step(self) -> bool:
        return True


def add_seconds(buffer: ReplayBuffer, fragment: Fragment) -> float:
    """
    :param buffer: of Stable-Baselines3
    :param fragment: with what is added
    :return: seconds to add all of it, last observations of episodes put in their places
    """
    start = time.perf_counter()
    for step in range(fragment.steps):
        following = fragment.observations[step + 1].copy()
        for env in np.flatnonzero(fragment.dones[step]):
            following[env] = fragment.ends[step, int(env)]
        buffer.add(
            fragment.observations[step],
            following,
            fragment.actions[step],
            fragment.rewards[step],
            fragment.dones[step],
            fragment.infos[step],
        )
    return time.perf_counter() - start


def send(sender: Any) -> tuple[float, Fragment]:
    """
    :param sender: an actor
    :return: seconds to fetch a fragment that is there, and the fragment
    """
    place = sender.send.remote()
    ray.wait([place], num_returns=1)
    start = time.perf_counter()
    fragment: Fragment = ray.get(place)
    return time.perf_counter() - start, fragment


def measure(case: Case, envs: int, args: argparse.Namespace) -> Iterator[list[float]]:
    """
    :param case: what is sent
    :param envs: environments of the collector
    :param args: of the command line
    :return: microseconds per transition to pack, fetch, play, and add, in each round
    """
    fragment = make_fragment(case, envs, args.fragment_length)
    transitions = fragment.steps * envs
    actor: Any = ray.remote(Sender)
    sender = actor.options(num_cpus=0).remote(fragment)
    learner = Learner(case, envs)
    box = Spaces(case.shape, case.actions)
    theirs = ReplayBuffer(
        case.capacity, box.observation_space, box.action_space, "cpu", n_envs=envs
    )
    # Memory that was never written is slow.
    for _ in range(case.capacity // transitions + COLLECTORS):
        learner.play(fragment)
        add_seconds(theirs, fragment)
    for _ in range(args.rounds):
        times = []
        for _ in range(args.fragments):
            packed = ray.get(sender.pack.remote())
            fetched, arrived = send(sender)
            times.append((packed, fetched, learner.play(arrived), add_seconds(theirs, fragment)))
        yield list(np.median(times, axis=0) / transitions * 1e6)
    ray.kill(sender)


def arguments() -> argparse.Namespace:
    """
    :return: of the command line
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--envs", nargs="+", type=int, default=list(ENVS), help="of a collector")
    parser.add_argument("--fragment-length", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--fragments", type=int, default=30, help="of a round")
    return parser.parse_args()


def main() -> None:
    """Print one table of medians over the rounds."""
    args = arguments()
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    ray.init(
        "local",
        num_cpus=os.cpu_count(),
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
    )
    table = Table(
        "", "envs", "bytes", "pack, µs", "fetch, µs", "play, µs", "decisions/s", "SB3's add, µs"
    )
    pairs = [(CASES[name], envs) for name in args.cases for envs in args.envs]
    for case, envs in track(pairs, "cases", transient=True):
        fragment = make_fragment(case, envs, args.fragment_length)
        size = len(pickle.dumps(fragment, protocol=5)) / (args.fragment_length * envs)
        rounds = list(measure(case, envs, args))
        pack, fetch, play, add = np.median(rounds, axis=0)
        figures = (pack, fetch, play)
        table.add_row(
            case.title,
            str(envs),
            f"{size:.0f}",
            *(f"{figure:.2f}" for figure in figures),
            f"{1e6 / (fetch + play):.0f}",
            f"{add:.2f}",
        )
    ray.shutdown()
    console = Console()
    console.print(
        f"per transition, fragments of {args.fragment_length} decisions of each environment, "
        f"medians of {args.rounds} rounds of {args.fragments} fragments; {platform.machine()}, "
        f"{os.cpu_count()} cores, Ray {ray.__version__}, PyTorch {th.__version__}, "
        f"Stable-Baselines3 {stable_baselines3.__version__}"
    )
    console.print(table)


if __name__ == "__main__":
    main()
