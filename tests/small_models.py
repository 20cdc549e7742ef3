"""Algorithms small enough for a test, and an exact comparison of their states."""

import math
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.distributions import (
    DiagGaussianDistribution,
    SquashedDiagGaussianDistribution,
)
from torch.distributions.transforms import TanhTransform

from sb3_scale import SAC

SMALL = {"name": "mlp", "width": 16}
OFENET = {"name": "ofenet", "width": 6, "depth": 2, "predicted": [0, 2], "pretraining_steps": 3}


def make(
    algorithm: Any,
    env: Any = "Pendulum-v1",
    extractor: Any = "flatten",
    parts: dict[str, Any] | None = None,
    **settings: Any,
) -> Any:
    """An untrained SAC or TD3 of small parts, with a small buffer and a seed."""
    kind = "squashed-gaussian" if algorithm is SAC else "deterministic"
    policy_kwargs = {
        "actor": {"name": kind, "network": SMALL},
        "critic": {"name": "ensemble", "network": SMALL},
        "extractor": extractor,
        **(parts or {}),
    }
    defaults = {
        "buffer_size": 500,
        "batch_size": 16,
        "learning_starts": 20,
        "seed": 0,
        "device": "cpu",
    }
    return algorithm("ScalePolicy", env, policy_kwargs=policy_kwargs, **{**defaults, **settings})


def check_actor_trains(actor: dict[str, Any], folder: Path) -> None:
    """SAC changes all of a stochastic actor on one action, and loads what it saved."""
    parts = {"actor": actor, "critic": {"name": "ensemble", "network": SMALL}}
    settings = {"learning_starts": 20, "batch_size": 16, "buffer_size": 100, "seed": 0}
    model = SAC("ScalePolicy", "Pendulum-v1", device="cpu", policy_kwargs=parts, **settings)
    before = {key: value.clone() for key, value in model.policy.actor.state_dict().items()}
    model.learn(60)
    assert model._n_updates == 40
    for key, value in model.policy.actor.state_dict().items():
        assert not torch.equal(value, before[key]), key
    model.save(folder / "model")
    loaded = SAC.load(folder / "model", env=gymnasium.make("Pendulum-v1"), device="cpu")
    observation = np.ones(3, np.float32)
    action, _ = loaded.predict(observation, deterministic=True)
    assert np.array_equal(action, model.predict(observation, deterministic=True)[0])
    assert math.isfinite(action[0])


class ExactTanh(SquashedDiagGaussianDistribution):
    """
    The policy of Stable-Baselines3 without the 1e-6 in its tanh correction, which is PyTorch's.

    An actor of Stable-Baselines3 gets it as ``action_dist``, for comparisons with ours.
    """

    def log_prob(self, actions: torch.Tensor, gaussian_actions: Any = None) -> torch.Tensor:
        slope = TanhTransform().log_abs_det_jacobian(gaussian_actions, actions)
        return DiagGaussianDistribution.log_prob(self, gaussian_actions) - slope.sum(dim=1)


def assert_same(ours: Any, theirs: Any, where: str) -> None:
    """Compare nested state exactly."""
    assert type(ours) is type(theirs), where
    if isinstance(theirs, torch.Tensor):
        assert torch.equal(ours, theirs), where
    elif isinstance(theirs, np.ndarray):
        assert np.array_equal(ours, theirs), where
    elif isinstance(theirs, dict):
        assert list(ours) == list(theirs), where
        for key in theirs:
            assert_same(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs), where
        for index, pair in enumerate(zip(ours, theirs, strict=True)):
            assert_same(*pair, f"{where}[{index}]")
    else:
        assert ours == theirs, where


def learned(model: Any) -> dict[str, Any]:
    """What a training leaves."""
    return {
        "parameters": model.get_parameters(),
        "updates": model._n_updates,
        "actions": model.replay_buffer.actions.tolist(),
    }
