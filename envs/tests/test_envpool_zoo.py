"""``env_backend: envpool`` in RL-Zoo's own commands."""

import csv
from pathlib import Path

import pytest
import yaml
from stable_baselines3.common.monitor import load_results
from zoo_commands import refused, run, run_process

TRAIN = "-m rl_zoo3.train --algo sac --env cartpole-balance --seed 1 -f logs".split()
PARAMS = [
    "-params",
    "learning_starts:200",
    "batch_size:16",
    "buffer_size:5000",
    "train_freq:50",
    "gradient_steps:1",
    "compile:False",
    "n_envs:4",
    "env_kwargs:{'action_repeat':4}",
]
ENVPOOL = "env_backend:'envpool'"


@pytest.mark.slow
def test_train_with_evaluation_normalisation_and_a_diagnostic(tmp_path: Path):
    options = ["-n", "2400", "--eval-freq", "1200", "--eval-episodes", "1", "--log-interval", "1"]
    callback = "callback:['csv-logger',{'name':'q-bias','interval':1200,'n_episodes':1}]"
    more = [ENVPOOL, "normalize:True", callback]
    done = run(tmp_path, *TRAIN, *options, *PARAMS, *more)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Training and eval env are not of the same type" not in done.stderr
    assert "already wrapped" not in done.stderr
    folder = tmp_path / "logs" / "sac" / "cartpole-balance_1"

    # Four environments of 250 decisions an episode end together, twice.
    episodes = load_results(str(folder))
    assert list(episodes["l"]) == [250] * 8
    assert (episodes["r"] > 50).all()
    assert episodes["r"].nunique() > 4
    with (folder / "progress.csv").open() as file:
        rows = list(csv.DictReader(file))
    last = [row for row in rows if row["rollout/ep_rew_mean"]][-1]
    assert float(last["rollout/ep_len_mean"]) == 250
    assert float(last["rollout/ep_rew_mean"]) == pytest.approx(episodes["r"].mean(), rel=1e-3)
    # Evaluation is Gymnasium's, with the same env_kwargs.
    assert "250.0" in {row["eval/mean_ep_length"] for row in rows}
    assert (folder / "cartpole-balance" / "vecnormalize.pkl").exists()
    saved = (folder / "cartpole-balance" / "config.yml").read_text()
    assert "  - - env_backend\n    - envpool\n" in saved

    enjoy = "-m rl_zoo3.enjoy --algo sac --env cartpole-balance -f logs -n 20 --no-render".split()
    played = run(tmp_path, *enjoy)
    assert played.returncode == 0, played.stderr


@pytest.mark.slow
def test_gymnasium_is_the_default_and_a_stock_policy_may_choose(tmp_path: Path):
    returns = {}
    for name in ("gymnasium", "envpool"):
        settings = {
            "n_timesteps": 1000,
            "policy": "MlpPolicy",
            "learning_starts": 2000,
            "n_envs": 4,
            "env_kwargs": {"action_repeat": 4},
            "env_backend": {"name": name, "num_threads": 1} if name == "envpool" else name,
        }
        (tmp_path / f"{name}.yml").write_text(yaml.safe_dump({"cartpole-balance": settings}))
        command = [*TRAIN, "-conf", f"{name}.yml", "--eval-freq", "-1", "-uuid"]
        done = run(tmp_path, *command)
        assert done.returncode == 0, done.stdout + done.stderr
        (folder,) = (tmp_path / "logs" / "sac").glob("cartpole-balance_*")
        returns[name] = load_results(str(folder))
        folder.rename(tmp_path / name)
    assert [len(list((tmp_path / name).glob("*.monitor.csv"))) for name in returns] == [4, 1]
    for frame in returns.values():
        assert list(frame["l"]) == [250] * 4
    # Random actions of the same task.
    means = [frame["r"].mean() for frame in returns.values()]
    assert means[0] == pytest.approx(means[1], rel=0.3)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        (
            ["env_backend:'evnpool'"],
            "error: env_backend is 'evnpool'; allowed: envpool, gymnasium, navigation; did you "
            "mean 'envpool'?",
        ),
        (
            ["env_backend:{'name':'envpool','threads':2}"],
            "error: env-backend 'envpool' has no parameter 'threads' (its value was 2); allowed: "
            "num_threads; did you mean 'num_threads'?",
        ),
        (
            [ENVPOOL, "env_wrapper:'gymnasium.wrappers.RescaleAction'"],
            "error: env_wrapper is 'gymnasium.wrappers.RescaleAction', and env_backend 'envpool' "
            "has no Gymnasium environments to wrap; allowed: vec_env_wrapper, or env_backend "
            "'gymnasium'",
        ),
        (
            [ENVPOOL, "env_kwargs:{'width':64}"],
            "error: EnvPool's cartpole-balance does not take the env_kwargs 'width' (its value was "
            "64); allowed: action_repeat",
        ),
    ],
)
def test_mistakes(tmp_path: Path, params, sentence):
    command = [*TRAIN, "-n", "60", "--eval-freq", "-1", *PARAMS[:-1], *params]
    assert refused(run(tmp_path, *command)) == sentence


@pytest.mark.slow
def test_without_envpool_and_for_a_task_that_it_lacks(tmp_path: Path):
    blocker = tmp_path / "blocker"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text("import sys\nsys.modules['envpool'] = None\n")
    command = [*TRAIN, "-n", "60", "--eval-freq", "-1", "-params", ENVPOOL]
    assert refused(run_process(tmp_path, *command, PYTHONPATH=str(blocker))) == (
        "error: env_backend 'envpool' for cartpole-balance needs EnvPool, which is not installed: "
        "python -m pip install 'sb3-scale[envpool]'"
    )
    command[5] = "Pendulum-v1"
    sentence = refused(run(tmp_path, *command))
    assert sentence.startswith("error: EnvPool does not have the task 'Pendulum-v1'; allowed: ")


def test_a_blocked_plugin_is_named(tmp_path: Path):
    command = [*TRAIN, "-n", "60", "-params", ENVPOOL]
    command[5] = "HalfCheetah-v4"
    assert refused(run(tmp_path, *command, SB3_SCALE_DISABLE_PLUGINS="envs")) == (
        "error: there is no env-backend 'envpool'; allowed: none; plugin 'envs' (sb3-scale-envs "
        "0.1.0) may have it: blocked, named in SB3_SCALE_DISABLE_PLUGINS"
    )
