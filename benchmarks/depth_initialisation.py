r"""
What deep critics give before any training: deviation of Q over states, effective rank of features.

    python benchmarks/depth_initialisation.py --output docs/results/depth-initialisation.csv

States are standard normal, actions uniform; one line per depth, initialisation and seed.
"""

import argparse
import csv
from pathlib import Path

import torch

from sb3_scale.diagnostics.singular_values import singular_values
from sb3_scale.parts import build
from sb3_scale_densenet.effective_rank import rank_of

OBSERVATIONS, ACTIONS, BATCH, WIDTH = 24, 6, 2048, 256


@torch.no_grad()
def measure(depth: int, init: str, seed: int) -> dict[str, object]:
    """
    :param depth: number of layers
    :param init: initialisation of the critic
    :param seed: of weights, states and actions
    :return: figures by the name of their column
    """
    torch.manual_seed(seed)
    network = {"name": "mlp", "width": WIDTH, "depth": depth}
    critic = build(
        "critic", {"name": "ensemble", "init": init, "network": network}, OBSERVATIONS, ACTIONS
    )
    states, actions = torch.randn(BATCH, OBSERVATIONS), torch.rand(BATCH, ACTIONS) * 2 - 1
    values = critic(states, actions)
    features = critic.network(torch.cat((states, actions), dim=1).expand(len(values), -1, -1))
    ranks = rank_of(singular_values(features.double()), 0.01)
    return {
        "layers": depth,
        "init": init,
        "seed": seed,
        "q_std": f"{values.std(dim=1).mean():.3g}",
        "effective_rank": round(ranks.double().mean().item(), 1),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="Deep critics before training.")
    parser.add_argument("--output", type=Path, required=True)
    rows = [
        measure(depth, init, seed)
        for depth in (2, 4, 8, 16)
        for init in ("default", "orthogonal")
        for seed in (0, 1, 2)
    ]
    with parser.parse_args().output.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
