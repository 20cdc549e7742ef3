"""The settings that we ship: complete, correct and buildable."""

from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import yaml
from gymnasium import spaces

import sb3_scale
from sb3_scale.policies import ScalePolicy
from sb3_scale.zoo import configs

FOLDER = Path(__file__).parents[1] / "zoo_configs"
PAPER_1 = """
ball_in_cup-catch cartpole-balance cartpole-balance_sparse cartpole-swingup
cartpole-swingup_sparse cheetah-run finger-spin hopper-hop hopper-stand pendulum-swingup
reacher-easy reacher-hard walker-run walker-stand walker-walk
""".split()
LEGGED = "dog-stand dog-walk dog-trot dog-run humanoid-stand humanoid-walk humanoid-run".split()


def tasks(algo: str) -> dict[str, Any]:
    content = yaml.safe_load((FOLDER / f"{algo}.yml").read_text())
    return {name: entry for name, entry in content.items() if not name.startswith(".")}


@pytest.mark.parametrize("algo", ["sac", "td3"])
def test_all_tasks_are_there_under_ids_that_exist(algo: str) -> None:
    sb3_scale.register_envs()
    names = set(tasks(algo))
    assert {*PAPER_1, *LEGGED, "default"} <= names
    assert names - {"default"} <= set(gymnasium.registry)


@pytest.mark.parametrize("algo", ["sac", "td3"])
def test_every_setting_is_known(algo: str) -> None:
    for entry in tasks(algo).values():
        assert entry["policy"] == "ScalePolicy"
        configs.check(algo, getattr(sb3_scale, algo.upper()), entry)


@pytest.mark.parametrize("algo", ["sac", "td3"])
@pytest.mark.parametrize("name", [".mlp2", ".mlp4", ".modern2", ".modern4", "dog-run", "default"])
def test_parts_can_be_built(algo: str, name: str) -> None:
    entry = yaml.safe_load((FOLDER / f"{algo}.yml").read_text())[name]
    parts = entry.get("policy_kwargs", entry)
    policy = ScalePolicy(
        spaces.Box(-np.inf, np.inf, (3,)), spaces.Box(-1, 1, (2,)), lambda _: 1e-3, **parts
    )
    assert policy.actor.stochastic == (algo == "sac")


def test_numbers_of_paper_1() -> None:
    """Section 3.2, appendix C and Table 3."""
    entry = tasks("sac")["walker-run"]
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


def test_target_entropy_is_minus_half_the_actions() -> None:
    sb3_scale.register_envs()
    for name in LEGGED:
        env = gymnasium.make(name)
        assert isinstance(env.action_space, spaces.Box)
        assert tasks("sac")[name]["target_entropy"] == -env.action_space.shape[0] / 2
