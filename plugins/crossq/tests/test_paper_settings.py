"""The settings of CrossQ+WN and of its baseline SAC: the paper's numbers, and a short run."""

from pathlib import Path
from typing import Any

import gymnasium
import pytest
import yaml
from zoo_commands import FAST, SMALL, train

import sb3_scale
import sb3_scale_crossq
from sb3_scale.plugins import manager
from sb3_scale.testing import check_component
from sb3_scale.zoo import configs

FOLDER = Path(sb3_scale_crossq.__file__).parent
NAMES = list(sb3_scale_crossq.SETTINGS)
DEEPMIND_CONTROL = """
acrobot-swingup cheetah-run dog-run dog-stand dog-trot dog-walk finger-turn_hard fish-swim
hopper-hop humanoid-run humanoid-stand humanoid-walk pendulum-swingup quadruped-run walker-run
""".split()
MYOSUITE = [
    f"{task}{suffix}"
    for task in ("key-turn", "obj-hold", "pen-twirl", "pose", "reach")
    for suffix in ("", "-hard")
]


def tasks(name: str) -> dict[str, Any]:
    content = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    return {task: entry for task, entry in content.items() if not task.startswith(".")}


@pytest.mark.parametrize("name", NAMES)
def test_contract(name: str) -> None:
    check_component("recipe", name)


def test_all_tasks_are_there_under_ids_that_exist() -> None:
    sb3_scale.register_envs()
    for name in ("crossq-wn", "sac-baseline"):
        assert {*DEEPMIND_CONTROL, *MYOSUITE, "default"} <= set(tasks(name))
        assert set(tasks(name)) - {"default", "discrete"} <= set(gymnasium.registry)


@pytest.mark.parametrize("name", NAMES)
def test_is_not_chosen_where_no_file_is_named(name: str) -> None:
    path = configs.by_name("sac", name)
    assert path == FOLDER / f"{name}.yml"
    for task in ("dog-run", "Pendulum-v1"):
        assert configs.choose("sac", task, Path("nothing.yml")) != path
    assert manager().find("recipe", name)[0].name == "crossq"


@pytest.mark.parametrize(("task", "gamma"), [("dog-run", 0.99), ("pose-hard", 0.95)])
def test_numbers_of_crossq_wn(task: str, gamma: float) -> None:
    """Palenicek et al., 2025, section 4 and appendix C, Table 1."""
    entry = tasks("crossq-wn")[task]
    assert entry["env_kwargs"]["action_repeat"] * entry["n_timesteps"] == 1_000_000
    wanted = {"gamma": gamma, "tau": 0.005, "learning_rate": 1e-4, "batch_size": 256}
    wanted |= {"ent_coef": "auto_1.0", "target_entropy": "auto_0.5", "policy_delay": 3}
    wanted |= {"learning_starts": 5000, "gradient_steps": 5}
    assert {key: entry[key] for key in wanted} == wanted
    parts = entry["policy_kwargs"]
    widths = {part: parts[part]["network"]["width"] for part in ("critic", "actor")}
    assert widths == {"critic": 512, "actor": 256}
    assert parts["optimizer"] == {"name": "adamw", "weight_decay": {"output": 0.01}}


def test_numbers_of_sac() -> None:
    """
    Palenicek et al., 2025, appendix C, Table 1; initialisation and the bound of the standard
    deviation are those of the released code.
    """
    entry = tasks("sac-baseline")["dog-run"]
    wanted = {"gamma": 0.99, "tau": 0.005, "learning_rate": 3e-4, "ent_coef": "auto_1.0"}
    wanted |= {"batch_size": 256, "learning_starts": 10_000}
    assert {key: entry[key] for key in wanted} == wanted
    assert entry["env_kwargs"]["action_repeat"] * entry["n_timesteps"] == 1_000_000
    assert not {"gradient_steps", "policy_delay"} & set(entry)
    for part in ("actor", "critic"):
        assert entry["policy_kwargs"][part]["network"]["width"] == 256
        assert entry["policy_kwargs"][part]["init"] == "orthogonal"
    assert entry["policy_kwargs"]["actor"]["log_std_min"] == -10


@pytest.mark.parametrize(
    ("name", "task"), [("sac-baseline", "cartpole-balance"), ("crossq-wn", "Pendulum-v1")]
)
def test_trains_through_rl_zoo(tmp_path: Path, name: str, task: str) -> None:
    options = ["--conf-file", name, *FAST, *SMALL, "gradient_steps:2"]
    output = train(tmp_path, task, 80, *options)
    assert f"sb3_scale_crossq/{name}.yml" in output
    assert list(tmp_path.glob(f"logs/sac/{task}_1/{task}.zip"))
