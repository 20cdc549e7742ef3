r"""
What networks cost: time and memory of an update and of an action, after Table 2 of Bjorck et al.,
"Towards Deeper Deep Reinforcement Learning with Spectral Normalization", 2021, for observations of
the dog's size and from pixels; and what the actors of Hui, 2022, cost under one critic.

    python benchmarks/network_costs.py --out docs/results/network-costs.csv
    python benchmarks/network_costs.py --networks pixels-mlp2 pixels-mlp4 pixels-modern2 \
        pixels-modern4 --batch-size 128 --variant eager --out docs/results/pixel-network-costs.csv
    python benchmarks/network_costs.py --networks deterministic squashed-gaussian \
        conditional-flow variational --out docs/results/actor-costs.csv

Each network is measured in a process of its own, so that memory is its own: the peak of what the
process takes while it trains, beyond what it took before the agent was made, and the weights that
acting needs. The step of an extractor that learns apart, part of the update, is timed alone too.
Times are medians.
"""

import argparse
import csv
import json
import platform
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch as th
from rich.console import Console
from rich.progress import track
from rich.table import Table

import sb3_scale
from lib.configurations import VARIANTS, Configuration, densenet, make, modern, published
from lib.machine import call_seconds
from sb3_scale.learning.batch import Step
from sb3_scale.learning.sampling import sample_single_batch
from sb3_scale.learning.update import MetricsLog
from sb3_scale_asymmetric.td2 import TD2

OFENET = {"name": "ofenet", "width": 256, "depth": 8, "pretraining_steps": 0}
WARMUP = 5
"""Updates before the measurement: compilation, optimiser states."""


def mlp(depth: int) -> Configuration:
    """
    :param depth: layers of 1024 in actor and critic
    :return: SAC of Bjorck et al., 2021, section 4.3
    """
    network = {"name": "mlp", "width": 1024, "depth": depth}
    parts: dict[str, Any] = {
        "actor": {"name": "squashed-gaussian", "network": network},
        "critic": {"name": "ensemble", "network": network},
    }
    settings = {"policy_delay": 2, "target_update_interval": 2}
    return Configuration(f"mlp{depth}", sb3_scale.SAC, parts, settings=settings)


def with_ofenet(configuration: Configuration) -> Configuration:
    """
    :param configuration: without an extractor
    :return: the same on OFENet features
    """
    parts = {**configuration.policy_kwargs, "extractor": OFENET}
    return replace(configuration, title=f"{configuration.title} on OFENet", policy_kwargs=parts)


def actor(name: str) -> Configuration:
    """
    :param name: of the actor
    :return: it and the twin critic of Hui, 2022, section 3.3: TD2 if it is deterministic, else
        SACLite
    """
    network = {"name": "mlp", "width": 256, "depth": 2}
    parts: dict[str, Any] = {
        "actor": {"name": name, "network": network},
        "critic": {"name": "ensemble", "network": {**network, "norm": "group"}},
    }
    if name == "deterministic":
        return Configuration(name, TD2, parts)
    return Configuration(name, sb3_scale.SAC, parts, settings={"backup_entropy": False})


def from_pixels(name: str) -> Configuration:
    """
    :param name: of a recipe for SAC from pixels
    :return: it with three frames of 84x84 as observations
    """
    return replace(
        published(name, name),
        settings={"policy_delay": 2, "target_update_interval": 2, "replay_buffer_class": "frames"},
        observations=(9, 84, 84),
        transitions=500,
    )


DENSENET_L = densenet(2048, "densenet-L")
NETWORKS: dict[str, Configuration] = {
    "mlp2": mlp(2),
    "mlp4": mlp(4),
    "modern2": modern(2, width=1024),
    "modern4": modern(4, width=1024),
    "densenet-l": DENSENET_L,
    "densenet-l-ofenet": with_ofenet(DENSENET_L),
}
LARGE = list(NETWORKS)
for name in ("deterministic", "squashed-gaussian", "conditional-flow", "variational"):
    NETWORKS[name] = actor(name)
for name in ("pixels-mlp2", "pixels-mlp4", "pixels-modern2", "pixels-modern4"):
    NETWORKS[name] = from_pixels(name)


def milliseconds(call: Callable[[], object], model: Any, seconds: float) -> float:
    """
    :param call: what to time
    :param model: whose device it uses
    :param seconds: how long to repeat it
    :return: the median
    """
    return float(np.median(call_seconds(call, model.device, seconds))) * 1e3


def measure(name: str, batch_size: int, variant: str, seconds: float) -> dict[str, Any]:
    """
    :param name: of the network
    :param batch_size: transitions per gradient step
    :param variant: how gradient steps run
    :param seconds: of each measurement
    :return: figures by name
    """
    before = psutil.Process().memory_info().rss
    model = make(NETWORKS[name], batch_size, **VARIANTS[variant])
    for _ in range(WARMUP):
        model.train(1, batch_size)
    # Two calls, since actor and targets may be due in every second only.
    update = milliseconds(lambda: model.train(2, batch_size), model, seconds) / 2
    extractor_step: float | str = "-"
    if not model.policy.critic_trains_extractor:
        learner = model.learners.extractor

        def learn_features() -> None:
            batch = sample_single_batch(model.replay_buffer, batch_size, model.gamma, None)
            learner.step(Step(batch), MetricsLog(), None)

        extractor_step = round(milliseconds(learn_features, model, seconds), 2)
    observation = np.zeros_like(model.observation_space.low)
    action = milliseconds(lambda: model.predict(observation), model, min(seconds, 2.0))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    acting = [model.policy.actor, model.policy.extractor]
    if not model.policy.critic_trains_extractor:
        # What the critic reads is not needed to act.
        acting = [model.policy.actor, model.policy.extractor.state]
    tensors = [t for module in acting for t in (*module.parameters(), *module.buffers())]
    trained = [*model.policy.actor.parameters(), *model.policy.critic.parameters()]
    trained += list(model.policy.extractor.parameters())
    return {
        "network": NETWORKS[name].title,
        "parameters": sum(p.numel() for p in trained),
        "update_ms": round(update, 2),
        "extractor_step_ms": extractor_step,
        "train_peak_mb": round((peak - before) / 1e6, 1),
        "action_ms": round(action, 3),
        "act_mb": round(sum(t.numel() * t.element_size() for t in tensors) / 1e6, 2),
    }


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description="Time and memory of networks.")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=LARGE)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--variant", choices=VARIANTS, default="compile")
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--out", type=Path, help="CSV file")
    parser.add_argument("--alone", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.alone:
        (name,) = args.networks
        print(json.dumps(measure(name, args.batch_size, args.variant, args.seconds)))
        return
    console, rows = Console(), []
    for name in track(args.networks, "networks", console=console):
        options = [__file__, "--alone", "--networks", name, "--variant", args.variant]
        options += ["--batch-size", str(args.batch_size), "--seconds", str(args.seconds)]
        done = subprocess.run([sys.executable, *options], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(f"{name}: {done.stderr}")
        rows.append(json.loads(done.stdout.splitlines()[-1]))
    titles = ("network", "parameters", "update, ms", "extractor's step in it, ms")
    table = Table(*titles, "peak of training, MB", "action, ms", "weights to act, MB")
    for row in rows:
        table.add_row(
            *(f"{value:,}" if not isinstance(value, str) else value for value in row.values())
        )
    console.print(table)
    console.print(
        f"batch {args.batch_size}, {args.variant}; {platform.machine()}, "
        f"{th.get_num_threads()} threads, PyTorch {th.__version__}"
    )
    if args.out:
        with args.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)


if __name__ == "__main__":
    main()
