"""Singular values in real training, of the online and the target networks."""

from typing import Any

import numpy as np
import pytest

from sb3_scale import SAC
from sb3_scale.nn.linear import linear_layers

PARTS = ("actor", "critic", "critic_target")
MODERN = {"name": "modern", "width": 64, "inner_width": 128}
MLP = {"name": "mlp", "width": 64}


def agent(
    network: dict[str, Any], actor_depth: int, critic_depth: int, **arguments: Any
) -> tuple[SAC, Any]:
    model = SAC(
        "ScalePolicy",
        "Pendulum-v1",
        learning_starts=100,
        batch_size=32,
        gradient_steps=4,
        target_update_interval=2,
        policy_delay=2,
        buffer_size=10_000,
        seed=0,
        device="cpu",
        policy_kwargs={
            "actor": {
                "name": "squashed-gaussian",
                "network": {**network, "depth": actor_depth},
                "constraint": "spectral",
            },
            "critic": {
                "name": "ensemble",
                "network": {**network, "depth": critic_depth},
                "constraint": "spectral",
            },
        },
        **arguments,
    )
    return model, model.policy


def deviation(policy: Any) -> dict[str, float]:
    """Largest distance from 1 of the largest singular value of a constrained layer, per part."""
    worst = {}
    for name in PARTS:
        layers = [layer for layer in linear_layers(getattr(policy, name)) if layer.scale]
        weights = [layer.effective_weight().numpy() for layer in layers]
        largest = [np.linalg.svd(weight, compute_uv=False)[:, 0] for weight in weights]
        worst[name] = float(np.abs(np.concatenate(largest) - 1).max())
    return worst


@pytest.mark.parametrize("updates", [300, pytest.param(2000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("learning_rate", [pytest.param(3e-4, marks=pytest.mark.slow), 1e-3])
@pytest.mark.parametrize(
    ("network", "depths"),
    [pytest.param(MODERN, (1, 2), marks=pytest.mark.slow), (MLP, (2, 3))],
    ids=["modern", "mlp"],
)
def test_singular_values_stay_at_one(
    network: dict[str, Any], depths: tuple[int, int], learning_rate: float, updates: int
) -> None:
    """Checked all along the way: it must hold during training and not by chance at its end."""
    model, policy = agent(network, *depths, learning_rate=learning_rate, tau=0.01)
    model.learn(125)
    worst = deviation(policy)
    while model._n_updates < updates:
        model.learn(25, reset_num_timesteps=False)
        worst = {name: max(worst[name], value) for name, value in deviation(policy).items()}
    assert max(worst.values()) < 0.01, worst


def test_target_follows_a_fast_mover() -> None:
    """With tau 1 the target jumps to the online network at each sync."""
    model, policy = agent(MODERN, 1, 2, learning_rate=1e-3, tau=1.0)
    model.learn(200)
    assert deviation(policy)["critic_target"] < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("learning_rate", [3e-4, 1e-3])
def test_singular_values_at_the_papers_width(learning_rate: float) -> None:
    """The first updates may be further off: there a step of Adam is as large as the weight."""
    network = {"name": "modern", "width": 1024, "inner_width": 2048}
    model, policy = agent(network, 2, 4, learning_rate=learning_rate, tau=0.01)
    model.learn(150)
    assert max(deviation(policy).values()) < 0.01
