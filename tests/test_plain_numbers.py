"""A checkpoint that was saved loads, whatever kind of number its settings were."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import make

from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.plain import plain


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (np.float64(0.5), 0.5),
        (np.float32(0.5), 0.5),
        (np.int64(3), 3),
        (np.bool_(True), True),
        (np.array([0.5, 0.25]), [0.5, 0.25]),
        (torch.tensor(0.5), 0.5),
        ((np.float64(0.5), "a", None), (0.5, "a", None)),
        ({"betas": [np.float64(0.5), torch.tensor(0.25)]}, {"betas": [0.5, 0.25]}),
    ],
    ids=str,
)
def test_numbers_become_pythons(given: Any, expected: Any) -> None:
    found = plain(given)
    assert found == expected
    assert type(found) is type(expected)


RATES = [
    lambda left: np.interp(left, [0.0, 1.0], [1e-5, 1e-3]),
    lambda left: torch.tensor(1e-3) * left,
    lambda left: np.float32(1e-3),
    np.float64(1e-3),
    torch.tensor(1e-3),
]


@pytest.mark.parametrize(
    "rate", RATES, ids=["interpolated", "tensor", "float32", "float64", "constant tensor"]
)
def test_rates_of_any_kind_can_be_loaded(rate: Any, tmp_path: Path) -> None:
    names = ("learning_rate", "actor_learning_rate", "critic_learning_rate")
    rates = dict.fromkeys([*names, "ent_coef_learning_rate"], rate)
    trained(SAC, tmp_path, **rates)


@pytest.mark.parametrize(
    "settings",
    [
        {"parts": {"optimizer": {"name": "adam", "betas": np.array([0.5, 0.9])}}},
        {"parts": {"optimizer": {"name": "adamw", "weight_decay": {"output": np.float32(0.1)}}}},
        {"ent_coef_optimizer_kwargs": {"betas": np.array([0.5, 0.9]), "eps": torch.tensor(1e-7)}},
        {"ent_coef": np.float64(0.1), "gamma": np.float32(0.9), "tau": torch.tensor(0.01)},
        {"max_grad_norm": np.float64(1.0), "target_entropy": np.float32(-1), "seed": np.int64(2)},
        {"learning_starts": 10.0, "verbose": False},
        {"learning_starts": np.float64(10), "verbose": np.int64(0)},
    ],
    ids=str,
)
def test_settings_of_any_kind_can_be_loaded(settings: dict[str, Any], tmp_path: Path) -> None:
    trained(SAC, tmp_path, **settings)


def test_a_rate_that_a_user_wrote_into_an_optimiser_can_be_loaded(tmp_path: Path) -> None:
    model = make(TD3, learning_starts=3, batch_size=2).learn(5)
    for group in model.critic.optimizer.param_groups:
        group["lr"], group["eps"] = np.float64(1e-4), np.float64(1e-7)
    model.save(tmp_path / "model")
    TD3.load(tmp_path / "model", device="cpu")


def trained(algorithm: Any, folder: Path, **settings: Any) -> None:
    model = make(algorithm, **{"learning_starts": 3, "batch_size": 2, **settings}).learn(5)
    model.save(folder / "model")
    loaded = algorithm.load(folder / "model", device="cpu")
    for name, state in model.get_parameters().items():
        if "param_groups" in state:
            assert state["param_groups"] == loaded.get_parameters()[name]["param_groups"]


def test_numbers_of_decisions_and_folders_of_any_kind_can_be_loaded(tmp_path: Path) -> None:
    model = make(SAC, tensorboard_log=tmp_path / "events").learn(np.float32(5))
    model.save(tmp_path / "model")
    loaded = SAC.load(tmp_path / "model", device="cpu", trust=False)
    assert (loaded._total_timesteps, loaded.tensorboard_log) == (5, str(tmp_path / "events"))
    with pytest.raises(Sb3ScaleError, match=r"^total_timesteps is 10\.5; allowed: a whole number"):
        model.learn(10.5)
