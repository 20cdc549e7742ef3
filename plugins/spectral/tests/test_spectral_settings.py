"""The settings of Bjorck et al.: the paper's tasks and numbers."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import yaml
from gymnasium import spaces

import sb3_scale
import sb3_scale_spectral
from sb3_scale.policies import ScalePolicy
from sb3_scale.recipes import resolve
from sb3_scale.testing import check_component
from sb3_scale.zoo import configs

FILE = Path(sb3_scale_spectral.__file__).parent / "sac-spectral.yml"
CONTENT: dict[str, Any] = yaml.safe_load(FILE.read_text())
TASKS = """
ball_in_cup-catch cartpole-balance cartpole-balance_sparse cartpole-swingup
cartpole-swingup_sparse cheetah-run finger-spin hopper-hop hopper-stand pendulum-swingup
reacher-easy reacher-hard walker-run walker-stand walker-walk
""".split()


@pytest.mark.parametrize("name", ["sac-spectral", "modern2", "modern4"])
def test_contract(name: str) -> None:
    check_component("recipe", name)


@pytest.mark.parametrize("name", ["modern2", "modern4"])
def test_recipes_have_the_networks_of_table_2(name: str) -> None:
    for task in ("walker-run", "Pendulum-v1"):
        settings = resolve.plain({"recipe": name}, "sac", task)
        assert settings["policy_kwargs"] == CONTENT[f".{name}"]


def test_all_tasks_are_there_under_ids_that_exist() -> None:
    sb3_scale.register_envs()
    names = {name for name in CONTENT if not name.startswith(".")}
    assert {*TASKS, "default"} <= names
    assert names - {"default"} <= set(gymnasium.registry)


def test_only_a_name_chooses_them(tmp_path: Path) -> None:
    assert configs.by_name("sac", "sac-spectral") == FILE
    for task in TASKS:
        assert configs.choose("sac", task, tmp_path / "none.yml") != FILE


@pytest.mark.parametrize("name", [".mlp2", ".mlp4", ".modern2", ".modern4"])
def test_networks_of_table_2_can_be_built(name: str) -> None:
    observations, actions = spaces.Box(-np.inf, np.inf, (3,)), spaces.Box(-1, 1, (2,))
    assert ScalePolicy(observations, actions, lambda _: 1e-3, **CONTENT[name]).actor.stochastic


def test_numbers_of_the_paper() -> None:
    """Section 3.2, appendix C and Table 3."""
    entry = CONTENT["walker-run"]
    assert entry["env_kwargs"]["action_repeat"] * entry["n_timesteps"] == 500_000
    wanted = {"gamma": 0.99, "tau": 0.01, "learning_rate": 1e-3, "batch_size": 512}
    wanted |= {"ent_coef": "auto_0.1", "policy_delay": 2, "target_update_interval": 2}
    assert {key: entry[key] for key in wanted} == wanted
    critic, actor = entry["policy_kwargs"]["critic"], entry["policy_kwargs"]["actor"]
    shared = {"name": "modern", "width": 1024, "inner_width": 2048}
    assert critic["network"] == {**shared, "depth": 4}
    assert actor["network"] == {**shared, "depth": 2}
    assert (actor["log_std_min"], actor["log_std_max"]) == (-10, 2)
    assert critic["constraint"] == actor["constraint"] == "spectral"
