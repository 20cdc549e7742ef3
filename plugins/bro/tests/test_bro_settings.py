"""The settings of SR-SAC and BRO: the papers' numbers, and a short run of each by RL-Zoo."""

from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from zoo_commands import FAST, SMALL, train

from sb3_scale.plugins import manager
from sb3_scale.testing import check_component
from sb3_scale.zoo import configs

NAMES = ["sr-sac", "bro"]


def settings(name: str) -> dict[str, Any]:
    path = configs.by_name("sac", name)
    assert path is not None
    content = yaml.safe_load(path.read_text())
    entry: dict[str, Any] = content.get("dog-run", content["default"])
    return entry


@pytest.mark.parametrize("name", NAMES)
def test_keeps_the_contract(name: str) -> None:
    check_component("recipe", name)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("sr-sac", {"gradient_steps": 32, "batch_size": 256, "learning_starts": 10_000}),
        ("bro", {"gradient_steps": 10, "batch_size": 128, "learning_starts": 2500}),
    ],
)
def test_numbers_of_table_1(name: str, wanted: dict[str, Any]) -> None:
    """
    Palenicek et al., 2025, appendix C; BRO's warm-up, the initialisation and the bound of the
    standard deviation are those of the released codes.
    """
    entry = settings(name)
    wanted |= {"gamma": 0.99, "tau": 0.005, "learning_rate": 3e-4, "ent_coef": "auto_1.0"}
    assert {key: entry[key] for key in wanted} == wanted
    repeat = entry.get("env_kwargs", {}).get("action_repeat", 1)
    assert repeat * entry["n_timesteps"] == 1_000_000
    assert "policy_delay" not in entry
    width = {"actor": 256, "critic": 512 if name == "bro" else 256}
    for part in ("actor", "critic"):
        assert entry["policy_kwargs"][part]["network"]["width"] == width[part]
        assert entry["policy_kwargs"][part]["init"] == "orthogonal"
    assert entry["policy_kwargs"]["actor"]["log_std_min"] == -10


def test_sr_sac_resets_each_2_560_000_gradient_steps() -> None:
    entry = settings("sr-sac")
    assert entry["callback"]["interval"] * entry["gradient_steps"] == 2_560_000


def test_parts_of_bro() -> None:
    """Learning rate, decay, betas and sizes as its code has them."""
    from sb3_scale import SAC

    entry = settings("bro")
    model = SAC(
        "ScalePolicy",
        "Pendulum-v1",
        policy_kwargs=entry["policy_kwargs"],
        ent_coef_optimizer_kwargs=entry["ent_coef_optimizer_kwargs"],
        buffer_size=10,
        device="cpu",
    )
    actor, critic = model.policy.actor, model.policy.critic
    for optimizer in (actor.optimizer, critic.optimizer):
        (group,) = optimizer.param_groups
        assert isinstance(optimizer, torch.optim.AdamW)
        assert (group["weight_decay"], group["betas"]) == (1e-4, (0.9, 0.999))
    assert tuple(model.ent_coef_optimizer.param_groups[0]["betas"]) == (0.5, 0.999)
    outputs = critic(torch.zeros(1, 3), torch.zeros(1, 1))
    assert outputs.shape == (2, 1, 100)
    hidden = 4 * 512 + 512 + 1024 + 4 * (512 * 512 + 512 + 1024)
    assert sum(par.numel() for par in critic.parameters()) == 2 * (hidden + 512 * 100 + 100)
    assert (actor.std_multiplier, actor.kl_target) == (0.75, 0.05)


@pytest.mark.parametrize("name", NAMES)
def test_is_not_chosen_where_no_file_is_named(name: str) -> None:
    path = configs.by_name("sac", name)
    for task in ("dog-run", "Pendulum-v1"):
        assert configs.choose("sac", task, Path("nothing.yml")) != path
    assert manager().find("recipe", name)[0].name == "bro"


@pytest.mark.parametrize(
    ("name", "callback"),
    [
        pytest.param("sr-sac", "callback:{'name':'reset','interval':60}", marks=pytest.mark.slow),
        ("bro", "callback:{'name':'reset','at':[60,70]}"),
    ],
)
def test_trains_through_rl_zoo(name: str, callback: str, tmp_path: Path) -> None:
    output = train(
        tmp_path,
        "cartpole-balance",
        80,
        "--conf-file",
        name,
        *FAST,
        *SMALL,
        "gradient_steps:2",
        callback,
    )
    assert f"sb3_scale_bro/{name}.yml" in output
    assert list(tmp_path.glob("logs/sac/cartpole-balance_1/cartpole-balance.zip"))
