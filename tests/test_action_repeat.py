"""Environments that repeat actions by themselves: who may change it, and how it is counted."""

import json
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
import yaml
from gymnasium import spaces
from rl_zoo3 import ALGOS
from stable_baselines3 import SAC as StockSAC
from written_runs import write_run
from zoo_commands import experiment

from sb3_scale import Sb3ScaleError
from sb3_scale.cli import main
from sb3_scale.compare.alike import settings_of
from sb3_scale.recipes.registered import Repeats, repeats_of, with_own_repeat
from sb3_scale.runs import read_run
from sb3_scale.sweep.grid import read_sweep, trainings
from sb3_scale.sweep.results import per_training
from sb3_scale.sweep.training_folder import TrainingFolder

PIXELS = "cartpole-swingup-pixels"
QUICK = {"n_timesteps": 20, "learning_starts": 10, "buffer_size": 100, "env_kwargs": {}}
SCALE = {**QUICK, "policy": "ScalePolicy", "policy_kwargs": {"actor": "squashed-gaussian"}}


class Thrice(gymnasium.Env[Any, Any]):
    """Takes each action three times if nobody says otherwise."""

    observation_space = action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, action_repeat: int = 3, length: int = 5) -> None:
        self.action_repeat, self.length = action_repeat, length

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.left = self.length
        return np.zeros(1, np.float32), {}

    def step(self, action: Any) -> Any:
        self.left -= 1
        return np.zeros(1, np.float32), 1.0, False, self.left == 0, {}


def any_arguments(**kwargs: Any) -> Thrice:
    return Thrice(**kwargs)


@pytest.fixture(autouse=True)
def envs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    ours = {
        "Thrice": (Thrice, {}),
        "FiveTimes": (any_arguments, {"action_repeat": 5}),
        "Open": (any_arguments, {}),
        "Gone": ("no_such_module:Env", {}),
    }
    for name, (entry_point, kwargs) in ours.items():
        gymnasium.register(name, entry_point, kwargs=kwargs)
    yield
    for name in ours:
        del gymnasium.registry[name]


@pytest.mark.parametrize(
    ("env_id", "found"),
    [
        ("Thrice", Repeats(True, 3)),
        ("FiveTimes", Repeats(True, 5)),
        ("Open", Repeats(False)),
        ("Pendulum-v1", Repeats(False)),
    ],
)
def test_what_is_known_of_an_id(env_id: str, found: Repeats) -> None:
    assert repeats_of(env_id) == found
    assert with_own_repeat(env_id, {"action_repeat": 1}) == {"action_repeat": 1}
    own = {} if found.own is None else {"action_repeat": found.own}
    assert with_own_repeat(env_id, {"length": 2}) == {**own, "length": 2}


@pytest.mark.parametrize("env_id", ["Gone", "NobodysEnv-v0", "no_such_module:Thrice"])
def test_what_cannot_be_imported_here_is_read_as_it_was_written(env_id: str) -> None:
    assert with_own_repeat(env_id, {"length": 2}) == {"length": 2}


def saved(file: str, env_id: str, **options: Any) -> Any:
    return experiment(file, env_id, **options).read_hyperparameters()[1].get("env_kwargs")


@pytest.mark.parametrize(
    ("options", "repeat"),
    [
        ({}, {"action_repeat": 2}),
        ({"env_kwargs": {"size": 64}}, {"action_repeat": 2, "size": 64}),
        ({"env_kwargs": {"action_repeat": 8}}, {"action_repeat": 8}),
        ({"hyperparams": {"action_repeat": 4}}, {"action_repeat": 4}),
        (
            {"hyperparams": {"action_repeat": 4}, "env_kwargs": {"size": 64}},
            {"action_repeat": 4, "size": 64},
        ),
        ({"hyperparams": {"env_kwargs.size": 64}}, {"action_repeat": 2, "size": 64}),
    ],
)
def test_the_user_counts_more_than_the_task_and_the_task_more_than_a_recipe(
    options: dict[str, Any], repeat: dict[str, int]
) -> None:
    assert saved("drq", PIXELS, **options) == repeat


def test_the_user_may_say_so_in_a_file_too() -> None:
    beside = {PIXELS: {"recipe": "drq", "action_repeat": 4}}
    alone = {"Thrice": {**SCALE, "action_repeat": 4}, "Pendulum-v1": {**SCALE, "action_repeat": 4}}
    Path("mine.yml").write_text(yaml.safe_dump(beside | alone))
    assert saved("mine.yml", PIXELS) == {"action_repeat": 4}
    assert saved("mine.yml", "Thrice") == {"action_repeat": 4}
    assert saved("mine.yml", "Pendulum-v1") == {}
    both = {"action_repeat": 4, "env_kwargs.action_repeat": 2}
    with pytest.raises(Sb3ScaleError, match="action_repeat and env_kwargs both give action_repeat"):
        saved("mine.yml", PIXELS, hyperparams=both)


def test_an_axis_of_repeats_in_a_sweep_over_pixels() -> None:
    sweep = {"env": PIXELS, "conf_file": "drq", "grid": {"action_repeat": [2, 4]}}
    Path("grid.yml").write_text(yaml.safe_dump(sweep))
    planned = trainings(read_sweep(Path("grid.yml")))
    assert [one.settings["env_kwargs"]["action_repeat"] for one in planned] == [2, 4]
    assert len({one.key for one in planned}) == 2


def test_a_sweep_finds_what_it_trained_without_a_word_on_repeats() -> None:
    """Its folders are named by settings, which are those of before."""
    Path("grid.yml").write_text(yaml.safe_dump({"env": PIXELS, "conf_file": "drq"}))
    (one,) = trainings(read_sweep(Path("grid.yml")))
    assert "env_kwargs" not in one.settings
    (line,) = per_training([TrainingFolder(one, Path("runs/one").absolute())], 1).to_dict("records")
    assert line["action_repeat"] == 2


@pytest.mark.parametrize(("env_id", "repeat"), [(PIXELS, 2), ("Pendulum-v1", 1), ("Gone", 1)])
def test_folders_that_say_nothing_are_counted_by_the_task(env_id: str, repeat: int) -> None:
    run = read_run(write_run(Path("logs"), env=env_id))
    assert run.action_repeat == repeat


def test_folders_that_say_it_and_those_that_do_not_are_alike() -> None:
    first, second = write_run(Path("old"), env=PIXELS), write_run(Path("new"), env=PIXELS)
    (second / PIXELS / "config.yml").write_text("env_kwargs: {action_repeat: 2}\n")
    assert settings_of(read_run(first)) == settings_of(read_run(second))


@pytest.mark.parametrize(
    ("settings", "written"),
    [(SCALE, {"action_repeat": 3}), ({**QUICK, "policy": "MlpPolicy"}, None)],
    ids=["ScalePolicy", "MlpPolicy"],
)
@pytest.mark.parametrize("file", ["mine.yml", "mine.py"])
def test_steps_of_the_environment_are_counted(
    monkeypatch: pytest.MonkeyPatch, file: str, settings: dict[str, Any], written: Any
) -> None:
    if settings["policy"] == "MlpPolicy":
        monkeypatch.setitem(ALGOS, "sac", StockSAC)
    content = {"Thrice": settings}
    is_python = file.endswith(".py")
    Path(file).write_text(f"hyperparams = {content}" if is_python else yaml.safe_dump(content))
    manager = experiment(file, "Thrice")
    manager.args = Namespace(algo="sac", env="Thrice", seed=0)
    model, _ = manager.setup_experiment()
    assert model.env.get_attr("action_repeat") == [3]
    manager.learn(model)
    manager.save_trained_model(model)
    folder = Path(manager.save_path)
    config = yaml.load((folder / "Thrice" / "config.yml").read_text(), Loader=yaml.UnsafeLoader)
    assert (config["env_kwargs"] or None) == written
    run = read_run(folder)
    assert (run.decisions, run.action_repeat) == (20, 3)
    assert run.env_kwargs == {"action_repeat": 3}


def test_report_knows_the_class_that_its_user_names(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    Path("repeats_twice.py").write_text(
        "class Twice:\n    def __init__(self, action_repeat=2): pass\n"
    )
    monkeypatch.syspath_prepend(Path.cwd())
    folder = str(write_run(Path("logs"), env="Twice"))
    words = ["report", folder, "--json", "--random-episodes", "0"]
    steps = []
    try:
        for more in ([], ["--env", "repeats_twice:Twice"]):
            assert main([*words, *more]) == 0
            steps.append(json.loads(capsys.readouterr().out)["environment_steps"])
    finally:
        gymnasium.registry.pop("Twice", None)
    assert steps == [600, 1200]
