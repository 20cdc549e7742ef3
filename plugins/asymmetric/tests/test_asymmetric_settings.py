"""The settings that come with the plugin, and RL-Zoo's command with them."""

import csv
from pathlib import Path
from typing import Any

import gymnasium
import pytest
import torch
import yaml
import zoo_commands

import sb3_scale
import sb3_scale_asymmetric
from sb3_scale.recipes import files, resolve
from sb3_scale.testing import check_component
from sb3_scale.zoo import configs
from sb3_scale_asymmetric import ON_REQUEST

FOLDER = Path(sb3_scale_asymmetric.__file__).parent
TABLES = Path(__file__).parent / "table_3_1.csv"


def tasks(name: str) -> dict[str, Any]:
    content = yaml.safe_load((FOLDER / f"{name}.yml").read_text())
    return {task: entry for task, entry in content.items() if not task.startswith(".")}


# They take seconds to make; test_chapter_2_networks_train_a_step has them narrow.
LARGE = ("residual-actor", "sac-lite-residual-actor")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(each, marks=[pytest.mark.slow] if each in LARGE else [])
        for each in ("td2-settings", "ddpg-settings", *ON_REQUEST)
    ],
)
def test_contract(name: str) -> None:
    check_component("recipe" if name in ON_REQUEST else "zoo-config", name)


@pytest.mark.parametrize("name", ON_REQUEST)
def test_tasks_exist(name: str) -> None:
    sb3_scale.register_envs()
    assert set(tasks(name)) - {"default"} <= set(gymnasium.registry)


def test_they_are_found(tmp_path: Path) -> None:
    for task in (*tasks("td2"), "reacher-easy"):
        assert configs.choose("td2", task, tmp_path / "none.yml") == FOLDER / "td2.yml"
    for task in (*tasks("ddpg"), "reacher-easy"):
        assert configs.choose("ddpg", task, tmp_path / "none.yml") == FOLDER / "ddpg.yml"
    assert configs.by_name("ddpg", "ddpg-settings") == FOLDER / "ddpg.yml"
    for name, (algo, _) in ON_REQUEST.items():
        assert configs.by_name(algo, name) == FOLDER / f"{name}.yml"


def test_orthogonal_gains_of_section_3_2() -> None:
    """The square root of 2 for all layers but the actor's last."""
    settings = {key: value for key, value in tasks("td2")["navigation-10"].items()}
    policy_kwargs = settings["policy_kwargs"]
    model = sb3_scale.TD3("ScalePolicy", "Pendulum-v1", policy_kwargs=policy_kwargs, device="cpu")
    for part, last in ((model.policy.critic, 2**0.5), (model.policy.actor, 1.0)):
        layers = [*part.network.linears, part.output]
        found = [float(torch.linalg.matrix_norm(layer.weight[0].detach(), 2)) for layer in layers]
        assert found == pytest.approx([2**0.5, 2**0.5, last], rel=1e-3)


def test_alpha_is_the_best_of_table_3_1() -> None:
    best: dict[str, tuple[float, float]] = {}
    with TABLES.open() as file:
        for row in csv.DictReader(file):
            score = float(row["return"]), float(row["alpha"])
            best[row["task"]] = max(best.get(row["task"], score), score)
    settings = tasks("ddpg")
    for task, (_, alpha) in best.items():
        assert settings[task]["policy_kwargs"]["loss"] == {"name": "asymmetric", "alpha": alpha}
        newer = task.replace("-v4", "-v5")
        assert settings[newer]["policy_kwargs"]["loss"]["alpha"] == alpha
    assert len(best) == 10


@pytest.mark.parametrize(("algo", "task"), [("td2", "acrobot-swingup"), ("ddpg", "cheetah-run")])
def test_rl_zoo_trains(algo: str, task: str, tmp_path: Path) -> None:
    command = ["-m", "rl_zoo3.train", "--algo", algo, "--env", task, "-n", "40"]
    command += ["-params", "learning_starts:30", "compile:False", "buffer_size:1000"]
    done = zoo_commands.run(tmp_path, *command)
    assert done.returncode == 0, done.stderr
    assert f"sb3_scale_asymmetric/{algo}.yml" in done.stdout


SMALL_ACTOR = {"name": "mlp", "width": 256, "depth": 2}
FOUR_BLOCKS = {"name": "modern", "width": 1024, "inner_width": 2048, "depth": 4}


@pytest.mark.parametrize(
    ("name", "actor", "actor_network", "critic_network"),
    [
        ("small-critic", "deterministic", SMALL_ACTOR, SMALL_ACTOR),
        ("residual-actor", "deterministic", FOUR_BLOCKS, FOUR_BLOCKS),
        ("sac-lite-residual-actor", "squashed-gaussian", FOUR_BLOCKS, FOUR_BLOCKS),
    ],
)
def test_chapter_2_networks_train_a_step(
    name: str, actor: str, actor_network: dict[str, Any], critic_network: dict[str, Any]
) -> None:
    given = files.settings_for(FOLDER / f"{name}.yml")
    parts = resolve.anywhere(given, ON_REQUEST[name][0], "default")["policy_kwargs"]
    assert parts == {
        "actor": {"name": actor, "network": actor_network},
        "critic": {"name": "ensemble", "network": critic_network},
    }
    narrow = {
        f"policy_kwargs.{part}.network.{key}": 8
        for part in ("actor", "critic")
        for key in parts[part]["network"]
        if key.endswith("width")
    }
    small = {"learning_starts": 4, "buffer_size": 50, "device": "cpu", **narrow}
    model = sb3_scale.recipe(name, "Pendulum-v1", **small)
    assert model.learn(5)._n_updates == 1
