"""
Updates per second of the released DrQ, on request.

``compare_drq.py`` starts it in an environment that has what DrQ needs. It reads lengths of turns in
seconds from standard input, one per line, and answers each with a rate.
"""

import argparse
import resource
import sys
import time
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch as th


def main() -> None:
    """Serve until standard input ends."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--source", type=Path, required=True, help="clone of denisyarats/drq")
    for option in ("actions", "transitions", "batch-size", "threads"):
        parser.add_argument(f"--{option}", type=int, required=True)
    args = parser.parse_args()
    th.set_num_threads(args.threads)
    sys.path.insert(0, str(args.source))
    agent, buffer = make(args.actions, args.transitions, args.batch_size)
    silent = SimpleNamespace(
        **{name: lambda *_: None for name in ("log", "log_histogram", "log_image", "log_param")}
    )
    step = 0

    def update() -> None:
        nonlocal step
        step += 1
        agent.update(buffer, silent, step)

    for _ in range(4):
        update()
    print("ready", flush=True)
    for line in sys.stdin:
        done, start = 0, time.perf_counter()
        while (spent := time.perf_counter() - start) < float(line) or done % 2:
            update()
            done += 1
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        print(done / spent, peak, flush=True)


def make(actions: int, transitions: int, batch_size: int) -> tuple[Any, Any]:
    """
    :param actions: numbers in an action
    :param transitions: of random pictures, all that the buffer holds
    :param batch_size: of an update
    :return: the released agent with the settings of its ``config.yaml``, and its replay buffer
    """
    drq, replay_buffer = (import_module(name) for name in ("drq", "replay_buffer"))
    shape, action_shape = [9, 84, 84], [actions]
    encoder = {"_target_": "drq.Encoder", "obs_shape": shape, "feature_dim": 50}
    head = {
        "encoder_cfg": encoder,
        "action_shape": action_shape,
        "hidden_dim": 1024,
        "hidden_depth": 2,
        "_recursive_": False,
    }
    agent = drq.DRQAgent(
        obs_shape=shape,
        action_shape=action_shape,
        action_range=(-1.0, 1.0),
        device=th.device("cpu"),
        encoder_cfg=encoder,
        critic_cfg={"_target_": "drq.Critic", **head},
        actor_cfg={"_target_": "drq.Actor", "log_std_bounds": [-10, 2], **head},
        discount=0.99,
        init_temperature=0.1,
        lr=1e-3,
        actor_update_frequency=2,
        critic_tau=0.01,
        critic_target_update_frequency=2,
        batch_size=batch_size,
    )
    buffer = replay_buffer.ReplayBuffer(shape, action_shape, transitions, 4, th.device("cpu"))
    random = np.random.default_rng(0)
    for _ in range(transitions):
        pictures = random.integers(0, 256, (2, *shape), np.uint8)
        buffer.add(pictures[0], random.uniform(-1, 1, actions), 0.5, pictures[1], False, False)
    return agent, buffer


if __name__ == "__main__":
    main()
