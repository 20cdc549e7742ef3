"""RL-Zoo's own commands, unmodified, on our environments and parts."""

from pathlib import Path

import numpy as np
import pytest
import yaml
from zoo_commands import FAST, SMALL, run, run_process, train

ROOT = Path(__file__).parents[1]
TASK = "pendulum-swingup"

MODERN = (
    "policy_kwargs:{'critic':{'name':'ensemble','network':"
    "{'name':'modern','width':32,'inner_width':64,'depth':1},'constraint':'spectral'}}"
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run with evaluation, checkpoints and tensorboard."""
    folder = tmp_path_factory.mktemp("zoo")
    options = ["--eval-freq", "60", "--eval-episodes", "1", "--save-freq", "60", "-P", "-tb", "tb"]
    options += ["--save-replay-buffer", "--seed", "1", *SMALL]
    output = train(folder, TASK, 60, *options)
    assert "zoo_configs/sac.yml" in output
    assert "ScalePolicy" in output
    return folder


@pytest.mark.slow
def test_the_main_command_compiles(tmp_path: Path) -> None:
    options = ["--eval-freq", "60", "--eval-episodes", "1", *SMALL, "compile:True"]
    command = "-m rl_zoo3.train --algo sac --env dog-run -n 120".split()
    done = run_process(tmp_path, *command, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "compile: the critic's loss took" in done.stderr


def run_folder(folder: Path, task: str = TASK) -> Path:
    return folder / "logs" / "sac" / f"{task}_1"


def test_train_leaves_what_rl_zoo_users_expect(trained: Path) -> None:
    names = {path.name for path in run_folder(trained).iterdir()}
    assert {f"{TASK}.zip", "best_model.zip", "evaluations.npz", "replay_buffer.pkl"} <= names
    assert {"0.monitor.csv", TASK, "rl_model_60_steps.zip"} <= names
    assert list((trained / "tb").rglob("events.out.tfevents*"))


def test_saved_settings_are_those_of_the_file(trained: Path) -> None:
    saved = yaml.load(
        (run_folder(trained) / TASK / "config.yml").read_text(), Loader=yaml.UnsafeLoader
    )
    recipe = yaml.safe_load((ROOT / "zoo_configs/recipes/default.yml").read_text())
    assert dict(saved)["policy_kwargs"] == recipe["default"]["policy_kwargs"]
    assert dict(saved)["gamma"] == 0.99
    assert dict(saved)["env_kwargs"] == {"action_repeat": 2}


def test_enjoy(trained: Path) -> None:
    command = "-m rl_zoo3.enjoy --algo sac --env pendulum-swingup -n 50 --no-render -f logs".split()
    done = run(trained, *command)
    assert done.returncode == 0, done.stderr
    assert f"{TASK}.zip" in done.stdout


def test_enjoy_finds_the_folder_from_elsewhere(trained: Path, tmp_path: Path) -> None:
    command = (
        "-m rl_zoo3.enjoy --algo sac --env pendulum-swingup -n 20 --no-render --load-best".split()
    )
    done = run(tmp_path, *command, "-f", str(trained / "logs"))
    assert done.returncode == 0, done.stderr


def test_resume(trained: Path) -> None:
    agent = str(run_folder(trained) / f"{TASK}.zip")
    output = train(trained, TASK, 60, *FAST, "-i", agent, *SMALL)
    assert "Loading pretrained agent" in output
    assert "Loading replay buffer" in output
    assert (trained / "logs" / "sac" / f"{TASK}_2" / f"{TASK}.zip").exists()


@pytest.mark.parametrize("script", ["all_plots", "plot_train"])
def test_plots(trained: Path, script: str) -> None:
    options = ["-a", "sac", "-e", TASK, "-f", "logs"]
    options += ["--no-display"] if script == "all_plots" else []
    done = run(trained, "-m", "sb3_scale.zoo", script, *options)
    assert done.returncode == 0, done.stderr


def test_evaluation_repeats_actions_as_training_does(trained: Path) -> None:
    lengths = np.load(run_folder(trained) / "evaluations.npz")["ep_lengths"]
    assert set(lengths.ravel()) == {500}


def test_record_video(trained: Path) -> None:
    command = (
        "-m rl_zoo3.record_video --algo sac --env pendulum-swingup -n 4 -f logs -o videos".split()
    )
    done = run(trained, *command)
    if done.returncode == 0:
        assert list((trained / "videos").glob("*.mp4"))
    else:
        assert "error: " in done.stderr
        assert "Traceback" not in done.stderr


def test_parts_from_the_command_line(tmp_path: Path) -> None:
    output = train(tmp_path, TASK, 60, *FAST, *SMALL, MODERN)
    assert "'modern'" in output


@pytest.mark.slow
def test_several_processes(tmp_path: Path) -> None:
    train(tmp_path, TASK, 60, *FAST, "--vec-env", "subproc", *SMALL, "n_envs:2")


def test_stock_policies_keep_the_settings_of_rl_zoo(tmp_path: Path) -> None:
    output = train(tmp_path, "Pendulum-v1", 60, *FAST, "-params", "learning_starts:50")
    assert "rl_zoo3/hyperparams/sac.yml" in output


@pytest.mark.parametrize(
    "command",
    [
        "-m rl_zoo3.train --gym-packages sb3_scale.zoo.installed",
        "-m sb3_scale.zoo train",
    ],
)
def test_two_ways_past_a_foreign_custom_envs(tmp_path: Path, command: str) -> None:
    (tmp_path / "custom_envs.py").write_text("FOREIGN = True\n")
    options = ["--algo", "sac", "--env", "pendulum-swingup", "-n", "60", *FAST, *SMALL]
    here = {"PYTHONPATH": str(tmp_path)}
    shadowed = run(tmp_path, "-m", "rl_zoo3.train", *options, **here)
    assert "pendulum-swingup not found in gym registry" in shadowed.stderr
    done = run(tmp_path, *command.split(), *options, **here)
    assert done.returncode == 0, done.stderr
    assert "zoo_configs/sac.yml" in done.stdout


@pytest.mark.slow
def test_td3(tmp_path: Path) -> None:
    command = "-m rl_zoo3.train --algo td3 --env pendulum-swingup -n 80".split()
    done = run(tmp_path, *command, *FAST, *SMALL)
    assert done.returncode == 0, done.stderr
    assert "zoo_configs/td3.yml" in done.stdout
