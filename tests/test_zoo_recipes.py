"""Recipes, and environments of the user's own, by RL-Zoo's command."""

import re
from pathlib import Path
from typing import Any

import gymnasium
import pytest
import yaml
from zoo_commands import experiment, run, train

from sb3_scale import Sb3ScaleError
from sb3_scale.recipes import files
from sb3_scale.sweep.grid import read_sweep, trainings
from sb3_scale.zoo import configs
from sb3_scale.zoo.plain_settings import resolved

OWN = """
import gymnasium
import numpy as np
from gymnasium import spaces

class Line(gymnasium.Env):
    max_episode_steps = 40
    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.left = self.max_episode_steps
        return np.zeros(1, np.float32), {}

    def step(self, action):
        self.left -= 1
        return np.asarray(action, np.float32), 1.0, False, self.left == 0, {}

NUMBER = 3
"""
QUICK = ["-params", "learning_starts:20", "compile:False", "gradient_steps:1", "buffer_size:100"]
NARROW = ["policy_kwargs.critic.network.width:8", "policy_kwargs.actor.network.width:8"]


@pytest.fixture
def own(tmp_path: Path) -> Any:
    (tmp_path / "line_env.py").write_text(OWN)
    yield tmp_path
    gymnasium.registry.pop("Line", None)


def saved(folder: Path, env_id: str) -> dict[str, Any]:
    path = folder / "logs" / "sac" / f"{env_id}_1" / env_id / "config.yml"
    return dict(yaml.load(path.read_text(), Loader=yaml.UnsafeLoader))


def command(env: str, *more: str) -> list[str]:
    return [*f"-m rl_zoo3.train --algo sac --env {env} -n 40 --eval-freq -1".split(), *more]


def test_an_environment_in_a_file_trains_by_a_recipe_and_is_watched(own: Path) -> None:
    words = command("line_env:Line", "--conf-file", "default", "-f", "logs", *QUICK, *NARROW)
    done = run(own, *words)
    assert done.returncode == 0, done.stderr
    settings = saved(own, "Line")
    assert (settings["gamma"], settings["policy"]) == (0.95, "ScalePolicy")
    assert not {"recipe", "action_repeat"} & settings.keys()
    assert not [key for key in settings if "." in key]
    critic = settings["policy_kwargs"]["critic"]
    assert (critic["network"]["width"], critic["joint_batch"]) == (8, True)
    watch = "-m rl_zoo3.enjoy --algo sac --env line_env:Line -f logs -n 80 --no-render".split()
    watched = run(own, *watch)
    assert "2 Episodes" in watched.stdout, watched.stderr


@pytest.mark.parametrize(
    ("env", "more", "sentence"),
    [
        (
            "line_env:Lane",
            [],
            "'line_env' has no class 'Lane'; allowed: Line; did you mean 'Line'?",
        ),
        ("lane_env:Line", [], "'lane_env' cannot be imported: ModuleNotFoundError"),
        ("line_env:NUMBER", [], "'line_env' has no class 'NUMBER'"),
        ("Pendulum-v1", ["--conf-file", "defalt"], "there is no recipe 'defalt'"),
        ("Pendulum-v1", ["-params", "recipe:'defalt'"], "there is no recipe 'defalt'"),
        (
            "Pendulum-v1",
            ["--conf-file", "default", "-params", "policy_kwargs.critic.network.widht:8"],
            "network 'mlp' has no parameter 'widht' (its value was 8)",
        ),
        (
            "Pendulum-v1",
            ["--conf-file", "default", "-params", "gamma.x:8"],
            "gamma is {'name': 'auto', 'x': 8}",
        ),
        (
            "Pendulum-v1",
            ["--conf-file", "default", "-params", "recipe.critic.network.width:8"],
            "there is no setting 'recipe.critic.network.width' (its value was 8); did you mean "
            "'policy_kwargs.critic.network.width'?",
        ),
        ("Pendulum-v1", ["--conf-file", "td3"], "the recipe 'td3' is for --algo td3"),
        (
            "CartPole-v1",
            ["--conf-file", "bro"],
            "the action space is Discrete(2), and the recipe bro is for continuous actions",
        ),
    ],
    ids=range(10),
)
def test_mistakes(own: Path, env: str, more: list[str], sentence: str) -> None:
    done = run(own, *command(env, *more))
    assert done.returncode == 1
    assert f"error: {sentence}" in done.stderr or sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(own.glob("logs/sac/*"))


def test_a_recipe_among_the_changes_takes_the_place_of_the_settings(tmp_path: Path) -> None:
    output = train(tmp_path, "pendulum-swingup", 40, "--eval-freq", "-1", *QUICK, "recipe:'sac'")
    settings = saved(tmp_path, "pendulum-swingup")
    assert settings["policy_kwargs"]["critic"]["network"]["width"] == 256
    assert not {"normalize", "env_kwargs", "callback"} & settings.keys()
    assert "made plain" in output


def of_file(folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> str:
    """A file for ``cartpole-swingup`` in the present folder, with narrow networks."""
    monkeypatch.chdir(folder)
    narrow = {"buffer_size": 100, **{word.split(":")[0]: 8 for word in NARROW}}
    (folder / "mine.yml").write_text(yaml.safe_dump({"cartpole-swingup": narrow | settings}))
    return "mine.yml"


@pytest.mark.parametrize(
    ("options", "training", "evaluation"),
    [
        ({}, {"action_repeat": 2}, {"action_repeat": 2}),
        (
            {"env_kwargs": {"width": 64}},
            {"action_repeat": 2, "width": 64},
            {"action_repeat": 2, "width": 64},
        ),
        ({"env_kwargs": {"action_repeat": 4}}, {"action_repeat": 4}, {"action_repeat": 4}),
        (
            {"eval_env_kwargs": {"width": 64}},
            {"action_repeat": 2},
            {"action_repeat": 2, "width": 64},
        ),
        ({"eval_env_kwargs": {"action_repeat": 1}}, {"action_repeat": 2}, {"action_repeat": 1}),
    ],
)
def test_arguments_of_the_command_line_keep_the_action_repeat(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    training: dict[str, Any],
    evaluation: dict[str, Any],
) -> None:
    file = of_file(tmp_path, monkeypatch, recipe="default")
    manager = experiment(file, "cartpole-swingup", n_timesteps=2000, **options)
    model, saved_settings = manager.setup_experiment()
    assert (manager.env_kwargs, manager.eval_env_kwargs) == (training, evaluation)
    assert saved_settings["env_kwargs"] == training
    assert model.env.get_attr("action_repeat") == [training["action_repeat"]]
    model.env.close()


def test_gamma_follows_a_wrapper_that_ends_episodes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrapper = {"gymnasium.wrappers.TimeLimit": {"max_episode_steps": 50}}
    file = of_file(tmp_path, monkeypatch, recipe="default", env_wrapper=wrapper)
    model, _ = experiment(file, "cartpole-swingup", n_timesteps=2000).setup_experiment()
    assert model.gamma == 0.95
    model.env.close()
    wrapper["gymnasium.wrappers.TimeLimit"]["max_episode_step"] = 5
    file = of_file(tmp_path, monkeypatch, recipe="default", env_wrapper=wrapper)
    with pytest.raises(Sb3ScaleError, match="TimeLimit has no argument 'max_episode_step'"):
        experiment(file, "cartpole-swingup", n_timesteps=2000).setup_experiment()


def test_a_recipe_is_found_beside_a_folder_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "xqc").mkdir()
    (tmp_path / "other").mkdir()
    assert configs.by_name("sac", "xqc") == files.path_of("xqc", "sac")
    assert configs.by_name("sac", "other") is None
    (tmp_path / "crossq").write_text("a file without an ending")
    assert configs.by_name("sac", "crossq") is None


def test_no_recipe_takes_the_place_of_nothing() -> None:
    with pytest.raises(Sb3ScaleError, match="recipe is None; allowed: the name of a recipe"):
        resolved({"recipe": "default"}, {"recipe": None}, "sac", "cartpole-swingup")


def test_recipes_as_an_axis_of_a_sweep(tmp_path: Path) -> None:
    """A changed ``recipe`` begins anew; other changes hold for each."""
    file = tmp_path / "grid.yml"
    file.write_text(
        "env: pendulum-swingup\nsettings: {n_timesteps: 6000, batch_size: 32}\n"
        "grid: {recipe: [default, sac]}\n"
    )
    first, second = (one.settings for one in trainings(read_sweep(file)))
    assert first["batch_size"] == second["batch_size"] == 32
    assert first["policy_kwargs"]["critic"]["joint_batch"]
    assert "joint_batch" not in second["policy_kwargs"]["critic"]
    assert (first["env_kwargs"], first["gamma"]) == ({"action_repeat": 2}, 0.99)
    file.write_text(
        "env: pendulum-swingup\nsettings: {policy_kwargs.critic.network.name: mlp}\n"
        "grid: {size: {big: {policy_kwargs.critic.network: modern}}}\n"
    )
    with pytest.raises(Sb3ScaleError, match="both give 'name'; allowed: one of them"):
        trainings(read_sweep(file))
    file.write_text("env: pendulum-swingup\ngrid: {recipe: [defalt]}\n")
    with pytest.raises(Sb3ScaleError, match=re.escape("there is no recipe 'defalt'")):
        trainings(read_sweep(file))
