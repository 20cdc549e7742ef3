"""With us installed, RL-Zoo is bit for bit what it is without, where no name of ours is used."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
import rl_zoo3
import torch
from zoo_commands import run, run_without_us

USERS_ENV = """
import gymnasium
from gymnasium.envs.classic_control import PendulumEnv

class Mine(PendulumEnv):
    def __init__(self, render_mode=None):
        super().__init__(render_mode, g=5.0)

gymnasium.register("Mine-v0", entry_point="mine:Mine", max_episode_steps=40)
"""
SHORT = ["--eval-freq", "65", "--eval-episodes", "1", "--seed", "1", "--gym-packages", "mine"]
SMALL_BUFFER = ["-params", "buffer_size:1000"]
MOMENTS = {"start_time", "ep_info_buffer", "ep_success_buffer"}
"""Attributes of a checkpoint that hold the time of the day, or how long something took."""


def train(
    runner: Callable[..., Any], folder: Path, algo: str, env: str, *options: str, n: int = 130
) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "mine.py").write_text(USERS_ENV)
    command = ["-m", "rl_zoo3.train", "--algo", algo, "--env", env, "-n", str(n), *SHORT]
    done = runner(folder, *command, *options, PYTHONPATH=str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def same_values(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_values(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(same_values, one, other))
    return bool(one == other)


def same_checkpoints(one: Path, other: Path) -> int:
    """:return: gradient steps that both took"""
    with zipfile.ZipFile(one) as ours, zipfile.ZipFile(other) as theirs:
        assert ours.namelist() == theirs.namelist()
        for name in ours.namelist():
            if name.endswith(".pth"):
                pair = [
                    torch.load(io.BytesIO(each.read(name)), weights_only=True)
                    for each in (ours, theirs)
                ]
                assert same_values(*pair), f"{one.name}: {name}"
        data, wanted = (json.loads(each.read("data")) for each in (ours, theirs))
    assert data.keys() == wanted.keys()
    assert {key for key in data if data[key] != wanted[key]} <= MOMENTS
    steps: int = data["_n_updates"]
    return steps


def same_runs(ours: Path, theirs: Path) -> int:
    """:return: gradient steps of the final models"""
    names = [
        {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        for folder in (ours, theirs)
    ]
    assert names[0] == names[1]
    steps = {}
    for name in names[0]:
        one, other = ours / name, theirs / name
        if name.endswith(".zip"):
            steps[name] = same_checkpoints(one, other)
        elif name.endswith(".yml"):
            assert one.read_text() == other.read_text(), name
        elif name.endswith(".monitor.csv"):
            rewards = [pandas.read_csv(path, skiprows=1)[["r", "l"]] for path in (one, other)]
            assert rewards[0].equals(rewards[1])
        elif name.endswith(".npz"):
            with np.load(one) as ours_of, np.load(other) as theirs_of:
                for key in theirs_of:
                    np.testing.assert_array_equal(ours_of[key], theirs_of[key])
    return steps[f"{ours.name.rpartition('_')[0]}.zip"]


def run_folder(folder: Path, algo: str, env: str, number: int = 1) -> Path:
    return folder / "logs" / algo / f"{env}_{number}"


def compare(folder: Path, algo: str, env: str, *options: str) -> None:
    for runner, name in ((run, "with"), (run_without_us, "without")):
        train(runner, folder / name, algo, env, *options)
    folders = [run_folder(folder / name, algo, env) for name in ("with", "without")]
    assert same_runs(*folders) > 0, "nothing was trained, so nothing was compared"


def test_the_other_environment_has_none_of_our_packages(tmp_path: Path) -> None:
    done = run_without_us(tmp_path, "-c", "import rl_zoo3.import_envs, sys; print(*sys.modules)")
    assert done.returncode == 0, done.stderr
    assert not [name for name in done.stdout.split() if "sb3_scale" in name or "custom_e" in name]


@pytest.mark.parametrize(("algo", "env"), [("sac", "Mine-v0"), ("ddpg", "HalfCheetah-v5")])
def test_training_is_what_it_is_without_us(tmp_path: Path, algo: str, env: str) -> None:
    """RL-Zoo names neither task, and our file for ddpg names HalfCheetah-v5."""
    compare(tmp_path, algo, env, *SMALL_BUFFER, "batch_size:16")


def test_rl_zoos_own_file_can_be_asked_for_by_its_path(tmp_path: Path) -> None:
    path = str(Path(rl_zoo3.__file__).parent / "hyperparams" / "sac.yml")
    told = train(run, tmp_path, "sac", "pendulum-swingup", "-conf", path, *SMALL_BUFFER, n=20)
    assert "MlpPolicy" in told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algo", "env", "options"),
    [
        ("sac", "HalfCheetah-v5", SMALL_BUFFER),
        ("sac", "Pendulum-v1", [*SMALL_BUFFER, "-tb", "logs/tb", "--save-freq", "60"]),
        ("sac", "Swimmer-v5", [*SMALL_BUFFER, "policy:'MlpPolicy'"]),
        ("td3", "HalfCheetah-v5", SMALL_BUFFER),
        ("td3", "Mine-v0", [*SMALL_BUFFER, "n_envs:2", "normalize:True"]),
        ("ddpg", "Pendulum-v1", [*SMALL_BUFFER, "learning_starts:50"]),
        ("ddpg", "Mine-v0", [*SMALL_BUFFER, "policy_kwargs:dict(n_critics=2)"]),
        ("crossq", "Mine-v0", SMALL_BUFFER),
        ("tqc", "HalfCheetah-v5", SMALL_BUFFER),
        ("ppo", "Mine-v0", ["-params", "n_steps:32", "batch_size:32"]),
        ("a2c", "HalfCheetah-v5", ["-params", "n_envs:1"]),
    ],
)
def test_all_trainings_are_what_they_are_without_us(
    tmp_path: Path, algo: str, env: str, options: list[str]
) -> None:
    compare(tmp_path, algo, env, *options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algo", "env"), [("sac", "Mine-v0"), ("ddpg", "HalfCheetah-v5"), ("td3", "Mine-v0")]
)
def test_a_stock_run_from_before_us_goes_on_as_it_would(
    tmp_path: Path, algo: str, env: str
) -> None:
    options = [*SMALL_BUFFER, "learning_starts:0"]
    for name in ("with", "without"):
        train(run_without_us, tmp_path / name, algo, env, "--save-replay-buffer", *SMALL_BUFFER)
    agent = f"logs/{algo}/{env}_1/{env}.zip"
    for runner, name in ((run, "with"), (run_without_us, "without")):
        told = train(runner, tmp_path / name, algo, env, "-i", agent, *options, n=60)
        assert "Loading replay buffer" in told
    folders = [run_folder(tmp_path / name, algo, env, 2) for name in ("with", "without")]
    assert same_runs(*folders) > 0


@pytest.mark.slow
@pytest.mark.parametrize("algo", ["sac", "ddpg"])
def test_a_run_with_us_goes_on_without(tmp_path: Path, algo: str) -> None:
    options = [*SMALL_BUFFER, "learning_starts:0"]
    train(run, tmp_path, algo, "Mine-v0", "--save-replay-buffer", *SMALL_BUFFER)
    agent = f"logs/{algo}/Mine-v0_1/Mine-v0.zip"
    told = train(run_without_us, tmp_path, algo, "Mine-v0", "-i", agent, *options, n=60)
    assert "Loading replay buffer" in told


@pytest.mark.slow
@pytest.mark.parametrize("algo", ["sac", "td3", "tqc"])
def test_a_search_is_what_it_is_without_us(tmp_path: Path, algo: str) -> None:
    options = ["-optimize", "--n-trials", "2", "--n-evaluations", "1", "--no-optim-plots"]
    reports = []
    for runner, name in ((run, "with"), (run_without_us, "without")):
        train(runner, tmp_path / name, algo, "Mine-v0", *options, *SMALL_BUFFER, n=150)
        (report,) = (tmp_path / name / "logs" / algo).glob("report_*.csv")
        table = pandas.read_csv(report)
        moments = [each for each in table if "time" in each or each == "duration"]
        reports.append(table.drop(columns=moments))
    assert reports[0].equals(reports[1])
    assert reports[0]["value"].notna().all()
