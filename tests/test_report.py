"""The command sb3-scale report, on a real run of RL-Zoo."""

import csv
import json
import os
import pickle
import shutil
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from cli_commands import error, run
from PIL import Image
from zoo_commands import run as run_python

from sb3_scale import SAC, register_envs
from sb3_scale.cli import main


@pytest.fixture(scope="module")
def logs(tmp_path_factory) -> Path:
    """A real run of RL-Zoo: 3 episodes of 250 decisions, 2 evaluations of 2 episodes."""
    folder = tmp_path_factory.mktemp("report")
    command = (
        "rl_zoo3.train --algo sac --env cartpole-balance --env-kwargs action_repeat:4 --seed 1 "
        "-n 800 --eval-freq 400 --eval-episodes 2 -f logs"
    )
    done = run_python(folder, "-m", *command.split())
    assert done.returncode == 0, done.stderr
    return folder / "logs"


def random_returns(episodes: int) -> np.ndarray:
    register_envs()
    env = gymnasium.make("cartpole-balance", action_repeat=4)
    env.action_space.seed(0)
    returns = []
    for episode in range(episodes):
        env.reset(seed=episode)
        rewards, over = [], False
        while not over:
            _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
            rewards.append(reward)
            over = terminated or truncated
        returns.append(sum(rewards))
    return np.array(returns)


def mean_action_returns(folder: Path, seed: int, episodes: int) -> np.ndarray:
    register_envs()
    env = gymnasium.make("cartpole-balance", action_repeat=4)
    model = SAC.load(folder / "cartpole-balance.zip", device="cpu")
    with (folder / "cartpole-balance" / "vecnormalize.pkl").open("rb") as file:
        statistics = pickle.load(file)
    returns = []
    observation, _ = env.reset(seed=seed)
    for _ in range(episodes):
        rewards, over = [], False
        while not over:
            action, _ = model.predict(statistics.normalize_obs(observation), deterministic=True)
            observation, reward, terminated, truncated, _ = env.step(action)
            rewards.append(reward)
            over = terminated or truncated
        returns.append(sum(rewards))
        observation, _ = env.reset()
    return np.array(returns)


def test_report_figures(logs, capsys):
    folder = logs / "sac" / "cartpole-balance_1"
    assert main(["report", str(folder), "--json", "--random-episodes", "2"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["environment"] == "cartpole-balance"
    assert report["algorithm"] == "sac"
    assert report["decisions"] == 800
    assert report["action_repeat"] == 4
    assert report["environment_steps"] == 3200

    with (folder / "0.monitor.csv").open() as file:
        file.readline()
        returns = [float(row["r"]) for row in csv.DictReader(file)]
    assert report["episodes"] == len(returns) == 3
    assert report["last_training_episodes"]["mean"] == pytest.approx(np.mean(returns))
    assert report["last_training_episodes"]["std"] == pytest.approx(np.std(returns))

    evaluations = np.load(folder / "evaluations.npz")["results"]
    last, best = report["last_evaluation"], report["best_evaluation"]
    assert last["mean"] == pytest.approx(evaluations[-1].mean())
    assert last["environment_steps"] == 3200
    assert best["mean"] == pytest.approx(evaluations.mean(axis=1).max())
    assert best["std"] == pytest.approx(evaluations[evaluations.mean(axis=1).argmax()].std())

    expected = random_returns(2)
    assert report["random_policy"]["mean"] == pytest.approx(expected.mean())
    assert report["random_policy"]["std"] == pytest.approx(expected.std())


def test_report_table_and_picture(logs):
    folder = logs / "sac" / "cartpole-balance_1"
    answer = run("report", str(folder), "--random-episodes", "1")
    assert answer.returncode == 0, answer.stderr
    rows = dict(line.strip().split("  ", 1) for line in answer.stdout.splitlines()[1:])
    rows = {key: value.strip() for key, value in rows.items()}
    assert rows["environment steps"] == "3,200"
    assert rows["last evaluation"].endswith("(2 episodes at step 3,200)")
    with Image.open(folder / "learning_curve.png") as picture:
        assert picture.size == (1200, 675)
        colours = {colour[:3] for _, colour in picture.getcolors(maxcolors=1_000_000)}
    # Training, evaluation, random policy.
    assert {(0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0x55, 0x55, 0x55)} <= colours


def test_report_without_evaluations_and_comparison(logs, tmp_path, capsys):
    folder = tmp_path / "cartpole-balance_1"
    shutil.copytree(logs / "sac" / "cartpole-balance_1", folder)
    (folder / "evaluations.npz").unlink()
    (folder / "cartpole-balance.zip").unlink()
    assert main(["report", str(folder), "--json", "--random-episodes", "0"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["last_evaluation"] is None
    assert report["random_policy"] is None
    assert report["decisions"] == 750


def test_json_is_alone_whatever_an_environment_prints(logs, tmp_path, capfd, monkeypatch):
    folder = tmp_path / "cartpole-balance_1"
    shutil.copytree(logs / "sac" / "cartpole-balance_1", folder)
    make = gymnasium.make

    def talking(*args, **kwargs):
        print("an environment is made")
        os.write(1, b"and C speaks, too\n")
        return make(*args, **kwargs)

    monkeypatch.setattr(gymnasium, "make", talking)
    assert main(["report", str(folder), "--json", "--random-episodes", "1"]) == 0
    out, err = capfd.readouterr()
    assert json.loads(out)["random_policy"] is not None
    assert "an environment is made" in err
    assert "and C speaks, too" in err


def test_report_of_a_wrong_folder(logs, tmp_path, capsys):
    assert (
        error(capsys, "report", str(tmp_path / "none"))
        == f"there is no folder '{tmp_path / 'none'}'"
    )
    told = error(capsys, "report", str(logs))
    assert f"did you mean '{logs / 'sac' / 'cartpole-balance_1'}'?" in told
    assert "is not the folder of a run" in error(capsys, "report", str(tmp_path))


def test_report_of_damaged_files(logs, tmp_path, capsys):
    for name in ("evaluations.npz", "0.monitor.csv", "cartpole-balance/args.yml"):
        folder = tmp_path / name.replace("/", "_")
        shutil.copytree(logs / "sac" / "cartpole-balance_1", folder)
        (folder / name).write_bytes(b"{[\0")
        told = error(capsys, "report", str(folder))
        assert "cannot be read" in told or "args.yml is not YAML" in told
    (tmp_path / "0.monitor.csv/0.monitor.csv").write_bytes(b"#" + b"[" * 100_000)
    assert "cannot be read" in error(capsys, "report", str(tmp_path / "0.monitor.csv"))


def test_report_does_not_run_code_of_a_settings_file(logs, tmp_path, capsys):
    folder = tmp_path / "cartpole-balance_1"
    shutil.copytree(logs / "sac" / "cartpole-balance_1", folder)
    config = folder / "cartpole-balance" / "config.yml"
    victim = tmp_path / "victim"
    config.write_text(f"harm: !!python/object/apply:pathlib.Path.touch [{victim}]\n")
    assert main(["report", str(folder), "--json", "--random-episodes", "0"]) == 0
    assert not victim.exists()


def test_report_of_an_unknown_environment(logs, tmp_path, capsys):
    folder = tmp_path / "cartpole-balance_1"
    shutil.copytree(logs / "sac" / "cartpole-balance_1", folder)
    arguments = folder / "cartpole-balance" / "args.yml"
    arguments.write_text(arguments.read_text().replace("cartpole-balance", "NoSuchEnv-v0"))
    told = error(capsys, "report", str(folder))
    assert "environment 'NoSuchEnv-v0' of the run is not installed here" in told
    assert "--gym-packages names 'no_such'" in error(
        capsys, "report", str(folder), "--gym-packages", "no_such"
    )


def test_report_of_an_environment_that_nobody_registered(logs, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "cartpole-balance_1"
    shutil.copytree(logs / "sac" / "cartpole-balance_1", folder)
    arguments = folder / "cartpole-balance" / "args.yml"
    arguments.write_text(arguments.read_text().replace("cartpole-balance", "PaysThree"))
    (tmp_path / "pays_three.py").write_text(
        "from gymnasium import Env, spaces\n"
        "class PaysThree(Env):\n"
        "    observation_space = action_space = spaces.Box(-1, 1, (1,))\n"
        "    def __init__(self, action_repeat): pass\n"
        "    def reset(self, seed=None, options=None): return self.observation_space.sample(), {}\n"
        "    def step(self, action): return self.observation_space.sample(), 3, True, False, {}\n"
    )
    monkeypatch.chdir(tmp_path)
    assert main(["report", str(folder), "--json", "--env", "pays_three:PaysThree"]) == 0
    assert json.loads(capsys.readouterr().out)["random_policy"]["mean"] == 3.0
    gymnasium.registry.pop("PaysThree")
    told = error(capsys, "report", str(folder), "--env", "pays_three:PaysFour")
    assert "'pays_three' has no class 'PaysFour'" in told


@pytest.mark.slow
def test_programs_about_runs(logs, tmp_path):
    """The table of the evaluations, against the file that Stable-Baselines3 wrote."""
    folder = logs / "sac" / "cartpole-balance_1"
    programs = Path(__file__).parents[1] / "benchmarks"
    told = {}
    for program, options in (("learning_curves", []), ("final_policies", ["--episodes", "2"])):
        command = [str(programs / f"{program}.py"), "--output", str(tmp_path / program)]
        done = run_python(tmp_path, *command, "--run", f"mine={folder}", *options)
        assert done.returncode == 0, done.stderr
        told[program] = done.stdout.splitlines()[-1].strip("| ").split(" | ")
    evaluations = np.load(folder / "evaluations.npz")["results"]
    last = f"{evaluations[-1].mean():.1f} ± {evaluations[-1].std():.1f} (2)"
    assert told["learning_curves"] == [
        *("cartpole-balance", "mine", "1", "3200", "800", "0", "4", "2.0"),
        last,
    ]
    assert (tmp_path / "learning_curves.png").exists()

    (policy,) = csv.DictReader((tmp_path / "final_policies.csv").read_text().splitlines())
    assert policy.pop("label") == "mine"
    figures = {name: float(value) for name, value in policy.items()}
    assert [figures[name] for name in ("seed", "decisions", "episodes")] == [1, 800, 2]
    returns = mean_action_returns(folder, seed=7, episodes=2)
    assert figures["mean_action_return_mean"] == pytest.approx(returns.mean(), abs=0.01)
    assert figures["mean_action_return_std"] == pytest.approx(returns.std(), abs=0.01)
    assert told["final_policies"][:4] == [
        *("mine", "1", "800"),
        f"{returns.mean():.1f} ± {returns.std():.1f} (2)",
    ]
