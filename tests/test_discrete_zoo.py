"""Discrete actions through RL-Zoo, recipes and the command line."""

from pathlib import Path

import pytest
from discrete_models import MULTI, Choices
from zoo_commands import run

import sb3_scale
from sb3_scale import Sb3ScaleError
from sb3_scale.actions import is_discrete
from sb3_scale.landscape.checkpoint import load_problem
from sb3_scale.parts import settings_path
from sb3_scale.plugins import manager
from sb3_scale.recipes import files
from sb3_scale.sweep.grid import read_sweep, trainings
from sb3_scale.testing import check_component

SMALL = {
    "policy_kwargs.actor.network.width": 8,
    "policy_kwargs.critic.network.width": 8,
    "learning_starts": 20,
    "batch_size": 8,
    "buffer_size": 100,
    "compile": False,
    "device": "cpu",
}


def for_discrete() -> list[str]:
    paths = {spec.name: settings_path(spec) for _, spec in manager().specs("recipe")}
    return [name for name, path in paths.items() if "\ndiscrete:\n" in path.read_text()]


def test_the_recipes_that_the_page_names_are_for_discrete_actions() -> None:
    assert {"sac", "crossq", "crossq-wn", "default", "xqc"} <= set(for_discrete())


@pytest.mark.parametrize("name", for_discrete())
def test_a_recipe_trains_on_discrete_actions_with_the_changes_of_the_user(name: str) -> None:
    model = sb3_scale.recipe(name, Choices(MULTI), **SMALL)
    assert model.policy.critic.network.out_features == 8
    assert is_discrete(model.learn(22).action_space)
    assert model._n_updates > 0


def test_changes_for_discrete_actions_must_be_settings(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("default: {policy: ScalePolicy}\ndiscrete: 3\n")
    with pytest.raises(Sb3ScaleError, match="has 3 for 'discrete'; allowed: settings by name"):
        files.settings_for(path)


def test_what_a_recipe_begins_with_has_the_changes(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("default: {recipe: sac, gamma: 0.9}\n")
    assert files.settings_for(path, None, MULTI) == {"recipe": "sac", "gamma": 0.9}
    path.write_text("default: {recipe: sac, gamma: 0.9}\ndiscrete: {gamma: 0.8}\n")
    assert files.settings_for(path, None, MULTI) == {"recipe": "sac", "gamma": 0.8}
    assert files.settings_for(path) == {"recipe": "sac", "gamma": 0.9}


@pytest.mark.parametrize(
    ("algo", "words"),
    [
        ("crossq", "--conf-file crossq"),
        pytest.param("sac", "--conf-file crossq-wn", marks=pytest.mark.slow),
        pytest.param("sac", "mine", marks=pytest.mark.slow),
    ],
)
def test_rl_zoo_trains_and_plays(algo: str, words: str, tmp_path: Path) -> None:
    settings = "policy_kwargs.critic.network.width:8 policy_kwargs.actor.network.width:8"
    settings += " learning_starts:50 batch_size:16 buffer_size:1000 compile:False gradient_steps:1"
    if words == "mine":
        (tmp_path / "mine.yml").write_text("CartPole-v1: {policy: ScalePolicy, n_timesteps: 60}\n")
        words, settings = "--conf-file mine.yml", "learning_starts:50 buffer_size:100"
    options = f"--algo {algo} --env CartPole-v1 -f logs"
    trained = run(
        tmp_path,
        *f"-m rl_zoo3.train {options} {words} -n 60 --eval-freq -1 --save-replay-buffer".split(),
        *f"-params {settings}".split(),
    )
    assert trained.returncode == 0, trained.stderr
    assert load_problem(tmp_path / f"logs/{algo}/CartPole-v1_1", None, 5, 0).target.shape == (5, 1)
    played = run(tmp_path, *f"-m rl_zoo3.enjoy {options} -n 20 --no-render --exp-id 1".split())
    assert played.returncode == 0, played.stderr


def test_a_search_begins_with_parts_for_discrete_actions(tmp_path: Path) -> None:
    (tmp_path / "mine.yml").write_text(
        "CartPole-v1: {policy: ScalePolicy, n_timesteps: 30, learning_starts: 20, batch_size: 8,"
        " buffer_size: 100, compile: false}\n"
    )
    command = "-m rl_zoo3.train --algo sac --env CartPole-v1 --conf-file mine.yml -f logs -optimize"
    command += " --n-trials 1 --n-evaluations 1 --eval-episodes 1 --no-optim-plots --sampler random"
    searched = run(tmp_path, *command.split())
    assert searched.returncode == 0, searched.stderr
    assert "Value: " in searched.stdout + searched.stderr


def test_a_sweep_over_recipes_of_a_task_with_discrete_actions(tmp_path: Path) -> None:
    file = tmp_path / "grid.yml"
    file.write_text(
        "env: CartPole-v1\nconf_file: crossq-wn\nsettings: {n_timesteps: 6000}\n"
        "grid: {recipe: [default, sac]}\n"
    )
    for one in trainings(read_sweep(file)):
        assert one.settings["policy_kwargs"]["actor"]["name"] == "categorical"
        assert one.settings["learning_starts"] == 1000


@pytest.mark.parametrize("name", ["sac", "crossq-wn"])
def test_a_recipe_for_both_kinds_of_actions_keeps_its_contract(name: str) -> None:
    check_component("recipe", name)
