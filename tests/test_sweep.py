"""The command sb3-scale sweep, which trains with RL-Zoo in processes of its own."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas
import psutil
import pytest
import yaml
from cli_commands import run
from compared_runs import copy_run
from PIL import Image
from rich.console import Console

from sb3_scale.cli import main
from sb3_scale.compare.sources import read
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.sweep.grid import Training, read_sweep, trainings
from sb3_scale.sweep.pool import Pool, free_places, locked, places
from sb3_scale.sweep.results import per_cell, per_training, texts
from sb3_scale.sweep.training_folder import TrainingFolder

GRID = {
    "env": "Pendulum-v1",
    "conf_file": "start.yml",
    "eval_freq": 200,
    "eval_episodes": 2,
    "grid": {"gamma": [0.9, 0.99], "size": {"good": {}, "bad": {"callback": "failing.Failing"}}},
}
FAILING = """
from stable_baselines3.common.callbacks import BaseCallback

class Failing(BaseCallback):
    def _on_step(self):
        raise RuntimeError("out of order")
"""
OWN = """
from gymnasium.envs.classic_control import PendulumEnv

class SweptPendulum(PendulumEnv):
    def __init__(self, action_repeat=1, render_mode=None):
        super().__init__(render_mode)
        self.action_repeat = action_repeat

    def reset(self, **kwargs):
        self.decisions = 0
        return super().reset(**kwargs)

    def step(self, action):
        for _ in range(self.action_repeat):
            observation, reward, terminated, _, info = super().step(action)
        self.decisions += 1
        return observation, reward, terminated, self.decisions == 10, info
"""
TASK = {
    "n_timesteps": 400,
    "policy": "ScalePolicy",
    "learning_starts": 100,
    "batch_size": 16,
    "buffer_size": 1000,
    "policy_kwargs": {"critic": {"name": "ensemble", "network": {"name": "mlp", "width": 8}}},
}


def write(folder: Path, **changes) -> None:
    (folder / "failing.py").write_text(FAILING)
    (folder / "start.yml").write_text(yaml.safe_dump({"Pendulum-v1": TASK}))
    (folder / "grid.yml").write_text(yaml.safe_dump({**GRID, **changes}))


def states(folder: Path) -> dict[str, dict]:
    found = (folder / "logs" / "grid" / "runs").glob("*/state.json")
    return {path.parent.name: json.loads(path.read_text()) for path in found}


def git(folder: Path, *command: str) -> str:
    user = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(
        ["git", *user, *command], cwd=folder, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    """Four trainings in a repository, of which two fail."""
    folder = tmp_path_factory.mktemp("sweep")
    write(folder)
    git(folder, "init")
    git(folder, "commit", "--allow-empty", "-m", "start")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONUNBUFFERED", raising=False)
        done = run("sweep", "grid.yml", "--processes", "2", cwd=folder)
    assert done.returncode == 1, done.stdout + done.stderr
    (folder / "output.txt").write_text(done.stdout)
    return folder


def test_what_fails_is_tried_again_and_listed(swept):
    assert sorted((bool(one["error"]), one["attempts"]) for one in states(swept).values()) == [
        (False, 1), (False, 1), (True, 2), (True, 2),
    ]  # fmt: skip
    told = (swept / "output.txt").read_text()
    because = "RuntimeError: out of order (exit status 1)"
    assert told.count(f"0.9, bad, seed 0: {because}") == 2
    assert "failed; the same command tries again" in told


def test_the_table_has_the_evaluations_of_rl_zoo(swept):
    with (swept / "logs/grid/results.csv").open() as file:
        rows = list(csv.DictReader(file))
    good = [row for row in rows if row["size"] == "good"]
    assert [row["gamma"] for row in good] == ["0.9", "0.99"]
    for row in good:
        last = np.load(swept / "logs/grid" / row["folder"] / "evaluations.npz")["results"][-1]
        assert float(row["return"]) == pytest.approx(last.mean(), abs=1e-3)
        counts = [int(row[name]) for name in ("env_steps", "decisions", "total_gradient_steps")]
        assert counts == [400, 400, 300]
        assert row["error"] == ""
    assert all(row["error"] and not row["return"] for row in rows if row["size"] == "bad")


def test_a_training_without_evaluations_has_failed(swept, tmp_path, monkeypatch):
    monkeypatch.chdir(swept)
    found = trainings(read_sweep(Path("grid.yml")))
    good = next(one for one in found if one.labels["size"] == "good")
    folder = TrainingFolder(good, tmp_path / good.key)
    shutil.copytree(swept / "logs/grid/runs" / good.key, folder.path)
    assert folder.end(0, 1.0, 1).error == ""
    assert folder.finished
    (folder.run / "evaluations.npz").unlink()
    assert not folder.finished
    assert folder.end(0, 1.0, 1).error == f"'{folder.run}' has no evaluation"
    assert not folder.finished


@pytest.mark.parametrize(
    "state",
    [
        "null",
        "[]",
        '{"error": null, "seconds": null, "attempts": null}',
        '{"error": "", "seconds": "x", "attempts": 1}',
        '{"error": "", "seconds": NaN, "attempts": 1}',
        '{"error": "", "seconds": 1, "attempts": true}',
        '{"error": "", "seconds": 1, "attempts": 1, "commit": 5}',
        '{"error": "", "seconds": 1, "att',
        "[" * 100_000,
        b"\xff\xfe",
        None,
    ],
)
def test_a_training_whose_state_is_none_is_trained_again(state, tmp_path):
    one = Training({}, "sac", "Pendulum-v1", 0, {"n_timesteps": 10}, 10, 1, (), 0)
    folder = TrainingFolder(one, tmp_path / "one")
    folder.path.mkdir()
    if state is None:
        (folder.path / "state.json").mkdir()
    else:
        content = state if isinstance(state, bytes) else state.encode()
        (folder.path / "state.json").write_bytes(content)
    assert folder.state is None
    assert not folder.finished
    folder.prepare()
    assert [path.name for path in folder.path.iterdir()] == ["settings.yml"]
    # It may have been one that finished.
    (kept,) = (path for path in tmp_path.iterdir() if path != folder.path)
    assert (kept.name, [path.name for path in kept.iterdir()]) == ("one.1", ["state.json"])


@pytest.fixture
def finished(tmp_path, pendulum_run) -> TrainingFolder:
    one = Training({}, "sac", "Pendulum-v1", 0, {"n_timesteps": 400}, 200, 1, (), 0)
    folder = TrainingFolder(one, tmp_path / "runs" / "one")
    copy_run(pendulum_run, folder.run, 0)
    folder.end(0, 1.0, 1)
    return folder


def test_a_state_of_another_version_is_that_of_a_finished_training(finished):
    path = finished.path / "state.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "host": "a"}))
    assert finished.finished


@pytest.mark.parametrize("lost", ["state.json", "evaluations.npz"])
def test_a_training_that_may_have_finished_is_kept(finished, lost, capsys):
    model = finished.run.relative_to(finished.path) / "best_model.zip"
    (path,) = finished.path.rglob(lost)
    path.write_text("of another version")
    assert not finished.finished
    kept = finished.path.with_name("one.1")
    kept.mkdir()
    finished.prepare()
    assert (finished.path.with_name("one.2") / model).is_file()
    assert not any(kept.iterdir())
    assert [path.name for path in finished.path.iterdir()] == ["settings.yml"]
    told = capsys.readouterr().err
    assert lost in told
    assert told.endswith(f": trained again; the folder is kept as '{finished.path}.2'\n")


def test_a_file_in_place_of_a_folder_is_replaced_or_named(tmp_path):
    one = Training({}, "sac", "Pendulum-v1", 0, {"n_timesteps": 10}, 10, 1, (), 0)
    folder = TrainingFolder(one, tmp_path / "runs" / "one")
    (tmp_path / "runs").write_text("x")
    assert folder.state is None
    with pytest.raises(Sb3ScaleError, match=r"runs/one' cannot be made: "):
        folder.prepare()
    (tmp_path / "runs").unlink()
    (tmp_path / "runs").mkdir()
    folder.path.symlink_to(tmp_path / "nowhere")
    folder.prepare()
    assert (folder.path / "settings.yml").is_file()


def test_the_table_has_the_commits_that_were_trained(swept, tmp_path, monkeypatch, capsys):
    commit = git(swept, "rev-parse", "HEAD")
    assert all(commit.startswith(one["commit"]) for one in states(swept).values())
    shutil.copytree(swept, tmp_path / "later")
    monkeypatch.chdir(tmp_path / "later")
    Path("good.yml").write_text(yaml.safe_dump({**GRID, "grid": {"gamma": [0.9, 0.99]}}))
    for number, one in enumerate(trainings(read_sweep(Path("good.yml")))):
        path = Path("logs/grid/runs") / one.key / "state.json"
        state = json.loads(path.read_text())
        path.write_text(json.dumps({**state, "commit": f"abc{number}"}))
    assert main(["sweep", "good.yml", "--output", "logs/grid"]) == 0
    text = Path("logs/grid/results.md").read_text()
    assert "Commit of the working folder: abc0, abc1. " in text
    assert "abc1" in Path("logs/grid/results.csv").read_text()


def test_the_table_names_its_circumstances(swept):
    text = (swept / "logs/grid/results.md").read_text()
    assert "| 0.9 | good | sac | Pendulum-v1 | 1 | 0 |" in text
    assert "| 0.9 | bad | sac | Pendulum-v1 | 0 | 1 |" in text
    assert "Command: `sb3-scale sweep grid.yml --processes 2`" in text
    assert "cores" in text


def test_the_heat_map_is_a_picture(swept):
    with Image.open(swept / "logs/grid/heat_map.png") as picture:
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 10


def test_a_task_that_nobody_registered_with_its_action_repeat_as_the_third_axis(tmp_path):
    (tmp_path / "my_env.py").write_text(OWN)
    start = {"SweptPendulum": {"policy": "MlpPolicy", "n_timesteps": 40, "learning_starts": 30}}
    (tmp_path / "own.yml").write_text(yaml.safe_dump(start))
    axes = {"G": {"low": {"gamma": 0.9}}, "T": {"fast": {"tau": 0.01}}, "action_repeat": [1, 2]}
    more = {"env": "my_env:SweptPendulum", "conf_file": "own.yml", "eval_freq": 20, "grid": axes}
    write(tmp_path, **more)
    done = run("sweep", "grid.yml", "--processes", "2", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    output = tmp_path / "logs" / "grid"
    lines = pandas.read_csv(output / "results.csv")
    assert lines["env"].tolist() == ["SweptPendulum"] * 2
    assert lines[["action_repeat", "env_steps"]].to_numpy().tolist() == [[1, 40], [2, 80]]
    assert (output / "heat_map.png").is_file()
    (found,) = read([str(output)])
    assert [one.label for one in found.trainings] == ["low, fast, 1", "low, fast, 2"]


def test_a_training_that_failed_has_the_action_repeat_that_it_was_to_have(tmp_path):
    folders = [
        TrainingFolder(
            Training(
                {"action_repeat": str(repeat)}, "sac", "dog-run", seed,
                {"env_kwargs": {"action_repeat": repeat}}, 10, 1, (), 0,
            ),
            tmp_path / "runs" / f"{repeat}-{seed}",
        )
        for repeat in (1, 2) for seed in (0, 1)
    ]  # fmt: skip
    cells = per_cell(per_training(folders, 1), ["action_repeat"])
    assert cells[["action_repeat", "seeds", "failed"]].to_numpy().tolist() == [[1, 0, 2], [2, 0, 2]]


def test_small_returns_stay_apart(pendulum_run, tmp_path):
    folders = []
    for seed, value in enumerate((0.000012, 0.000014)):
        one = Training({}, "sac", "Pendulum-v1", seed, {"n_timesteps": 400}, 200, 1, (), 0)
        folders.append(TrainingFolder(one, tmp_path / "runs" / str(seed)))
        copy_run(pendulum_run, folders[-1].run, seed, [0.0, value])
        folders[-1].end(0, 1.0, 1)
    assert per_training(folders, 1)["return"].tolist() == [0.000012, 0.000014]


def test_the_spread_of_seeds_is_that_of_a_sample():
    counts = dict.fromkeys(("env_steps", "decisions", "total_gradient_steps", "action_repeat"), 1)
    lines = pandas.DataFrame(
        [
            {"tau": tau, "algo": "sac", "env": "a", "return": value, "minutes": 1.0, **counts}
            for tau, value in ((0.1, 1.0), (0.1, 3.0), (0.2, 5.0))
        ]
    )
    cells = per_cell(lines, ["tau"])
    assert cells["std"].iloc[0] == pytest.approx(np.std([1.0, 3.0], ddof=1))
    # One seed has no spread.
    assert texts(cells[["mean", "std"]]) == [["2", "1.414"], ["5", ""]]


class Again(TrainingFolder):
    """Fails at once instead of training."""

    def command(self, before: Path | None) -> list[str]:
        return ["false"]


def test_the_same_command_trains_only_what_is_not_finished(swept, tmp_path, monkeypatch):
    monkeypatch.chdir(swept)
    runs = tmp_path / "runs"
    shutil.copytree("logs/grid/runs", runs)
    before = states(swept)
    found = trainings(read_sweep(Path("grid.yml")))
    with locked(tmp_path) as lock:
        folders = [Again(one, runs / one.key) for one in found]
        Pool(folders, 2, 1, 0, lock, Console(quiet=True)).run()
    after = {path.parent.name: json.loads(path.read_text()) for path in runs.glob("*/state.json")}
    again = {name for name, one in after.items() if one != before[name]}
    assert again == {name for name, one in before.items() if one["error"]}
    assert len(again) == 2


class Waiting(TrainingFolder):
    """Waits instead of training."""

    def command(self, before: Path | None) -> list[str]:
        return ["sleep", "2"]


def pool_of_one(folder: Path, lock: int) -> Pool:
    one = Training({}, "sac", "Pendulum-v1", 0, {"n_timesteps": 10}, 10, 1, (), 0)
    return Pool([Waiting(one, folder / "one")], 1, 1, 0, lock, Console(quiet=True))


def close_terminal(pool: Pool) -> None:
    while not pool.running:
        time.sleep(0.05)
    os.kill(os.getpid(), signal.SIGHUP)


def not_the_pool(*_: object) -> None:
    raise AssertionError("the signal did not reach the pool")


def test_a_sweep_whose_terminal_closes_ends_its_trainings(tmp_path):
    before = signal.signal(signal.SIGHUP, not_the_pool)
    try:
        with locked(tmp_path) as lock:
            pool = pool_of_one(tmp_path, lock)
            threading.Thread(target=close_terminal, args=(pool,)).start()
            with pytest.raises(KeyboardInterrupt):
                pool.run()
        (left,) = pool.running
        assert left.process.returncode == -signal.SIGKILL
        assert signal.getsignal(signal.SIGHUP) is not_the_pool
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_sweep_under_nohup_outlives_its_terminal(tmp_path):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with locked(tmp_path) as lock:
            pool = pool_of_one(tmp_path, lock)
            threading.Thread(target=close_terminal, args=(pool,)).start()
            pool.run()
        assert pool.done == 1
    finally:
        signal.signal(signal.SIGHUP, before)


def test_trainings_take_the_cores_that_are_free():
    cores = psutil.cpu_count()
    assert free_places(cores + 1) == 1
    assert 1 <= free_places(2) <= max(1, cores // 2)
    assert places([0, 10, 90, 20], {0, 1, 2, 3}, 1) == 3
    assert places([0, 10, 90, 20], {1, 2}, 1) == 1
    assert places([0, 0, 0, 0, 0], range(5), 2) == 2
    assert places([100, 100], {0, 1}, 1) == 1
    # Within a container that shows its own cores only, by numbers from 0.
    assert places([0, 100], {6, 7}, 1) == 2


def test_a_folder_that_cannot_be_written_to(tmp_path):
    (tmp_path / "lock").mkdir()
    told = "cannot be written to: Is a directory"
    with pytest.raises(Sb3ScaleError, match=told), locked(tmp_path):
        pass


def test_a_training_that_begins_while_ctrl_c_is_pressed_is_ended(tmp_path):
    # In the background a shell has it ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with locked(tmp_path) as lock:
            pool = pool_of_one(tmp_path, lock)
            add_task = pool.progress.add_task

            def interrupted(*args, **kwargs):
                signal.raise_signal(signal.SIGINT)
                return add_task(*args, **kwargs)

            pool.progress.add_task = interrupted
            with pytest.raises(KeyboardInterrupt):
                pool.run()
        (left,) = pool.running
        assert left.over
        with locked(tmp_path):
            pass
    finally:
        signal.signal(signal.SIGINT, before)


def test_ctrl_c_before_the_first_training(tmp_path, monkeypatch, capsys):
    def press(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("sb3_scale.sweep.grid.read_sweep", press)
    assert main(["sweep", "grid.yml"]) == 130
    assert capsys.readouterr().err == "sb3-scale: interrupted\n"


def test_an_output_that_is_a_file(tmp_path, monkeypatch, capsys):
    write(tmp_path, grid={}, seeds=[0])
    monkeypatch.chdir(tmp_path)
    assert main(["sweep", "grid.yml", "--output", "start.yml"]) == 1
    assert "error: 'start.yml' cannot be written to: File exists" in capsys.readouterr().err


@pytest.mark.slow
def test_an_interrupted_sweep_goes_on(tmp_path):
    write(tmp_path, grid={}, seeds=[0, 1], settings={"n_timesteps": 3000})
    command = [sys.executable, "-m", "sb3_scale", "sweep", "grid.yml", "--processes", "1"]
    sweep = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    while not states(tmp_path):
        assert sweep.poll() is None
        time.sleep(0.2)
    second = run("sweep", "grid.yml", cwd=tmp_path)
    assert "is running in 'logs/grid'" in second.stderr
    sweep.send_signal(signal.SIGINT)
    told, _ = sweep.communicate(timeout=60)
    assert "the same command goes on" in told
    assert sweep.returncode == 130
    assert not at_work(tmp_path)

    (first,) = states(tmp_path)
    kept = (tmp_path / "logs/grid/runs" / first / "state.json").stat().st_mtime_ns
    done = run("sweep", "grid.yml", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(states(tmp_path)) == 2
    assert (tmp_path / "logs/grid/runs" / first / "state.json").stat().st_mtime_ns == kept


def at_work(folder: Path) -> list[psutil.Process]:
    return [one for one in psutil.process_iter(["cwd"]) if one.info["cwd"] == str(folder)]
