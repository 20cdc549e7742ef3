"""The command sb3-scale sweep, which trains with RL-Zoo in processes of its own."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import yaml
from cli_commands import run
from PIL import Image

GRID = {
    "env": "Pendulum-v1",
    "conf_file": "start.yml",
    "eval_freq": 200,
    "eval_episodes": 2,
    "grid": {"gamma": [0.9, 0.99], "size": {"good": {}, "bad": {"batch_size": 0}}},
}
TASK = {
    "n_timesteps": 400,
    "policy": "ScalePolicy",
    "learning_starts": 100,
    "batch_size": 16,
    "buffer_size": 1000,
    "policy_kwargs": {"critic": {"name": "ensemble", "network": {"name": "mlp", "width": 8}}},
}


def write(folder: Path, **changes) -> None:
    (folder / "start.yml").write_text(yaml.safe_dump({"Pendulum-v1": TASK}))
    (folder / "grid.yml").write_text(yaml.safe_dump({**GRID, **changes}))


def states(folder: Path) -> dict[str, dict]:
    found = (folder / "logs" / "grid" / "runs").glob("*/state.json")
    return {path.parent.name: json.loads(path.read_text()) for path in found}


@pytest.fixture(scope="module")
def swept(tmp_path_factory) -> Path:
    """Four trainings, of which two fail."""
    folder = tmp_path_factory.mktemp("sweep")
    write(folder)
    done = run("sweep", "grid.yml", "--processes", "2", cwd=folder)
    assert done.returncode == 1, done.stdout + done.stderr
    (folder / "output.txt").write_text(done.stdout)
    return folder


def test_what_fails_is_tried_again_and_listed(swept):
    assert sorted((bool(one["error"]), one["attempts"]) for one in states(swept).values()) == [
        (False, 1), (False, 1), (True, 2), (True, 2),
    ]  # fmt: skip
    told = (swept / "output.txt").read_text()
    assert told.count("0.9, bad, seed 0: ") == 2
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


def test_the_table_names_its_circumstances(swept):
    text = (swept / "logs/grid/results.md").read_text()
    assert "| 0.9 | good | sac | Pendulum-v1 | 1 | 0 |" in text
    assert "| 0.9 | bad | sac | Pendulum-v1 | 0 | 1 |" in text
    assert "Command: `sb3-scale sweep grid.yml --processes 2`" in text
    assert "cores" in text


def test_the_heat_map_is_a_picture(swept):
    with Image.open(swept / "logs/grid/heat_map.png") as picture:
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 10


def test_the_same_command_trains_only_what_is_not_finished(swept):
    before = states(swept)
    failed = {name for name, one in before.items() if one["error"]}
    runs = swept / "logs/grid/runs"
    times = {name: (runs / name / "state.json").stat().st_mtime_ns for name in before}
    done = run("sweep", "grid.yml", "--retries", "0", cwd=swept)
    assert done.returncode == 1
    again = {
        name for name in before if (runs / name / "state.json").stat().st_mtime_ns != times[name]
    }
    assert again == failed
    assert len(failed) == 2


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
