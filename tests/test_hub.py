"""Models to a hub on this machine and back; nothing leaves 127.0.0.1."""

import io
import json
import os
import pickle
import shutil
import zipfile
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import local_hub
import numpy as np
import pytest
import yaml
from rl_zoo3 import ALGOS
from rl_zoo3.exp_manager import ExperimentManager
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from strangers import Hidden, pickled, rewrite
from zoo_commands import refused, run_process

from sb3_scale import Sb3ScaleError
from sb3_scale.hookspecs import hookimpl
from sb3_scale.hub import load_from_hub, push_to_hub
from sb3_scale.plugins import manager
from sb3_scale.zoo import install

TASK = "Pendulum-v1"
SMALL = {
    "learning_starts": 4,
    "batch_size": 4,
    "buffer_size": 50,
    "policy_kwargs.actor.network.width": 8,
    "policy_kwargs.critic.network.width": 8,
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[local_hub.Repositories]:
    install()
    monkeypatch.chdir(tmp_path)
    with local_hub.running() as (address, repositories):
        local_hub.use(address, tmp_path / "cache", monkeypatch)
        yield repositories


def train(algo: str, logs: str = "logs", steps: int = 12, **settings: Any) -> Any:
    """A run of RL-Zoo in this process, with one evaluation."""
    arguments = Namespace(algo=algo, env=TASK, seed=0, env_kwargs=None, conf_file=None)
    training = ExperimentManager(
        arguments,
        algo,
        TASK,
        logs,
        n_timesteps=steps,
        eval_freq=steps,
        n_eval_episodes=1,
        hyperparams={**SMALL, **settings},
        config=algo if algo != "td2" else "td2",
        seed=0,
        device="cpu",
        log_interval=-1,
    )
    model, _ = training.setup_experiment()
    training.learn(model)
    training.save_trained_model(model)
    return model


def push(algo: str, *options: str) -> None:
    words = f"--algo {algo} --env {TASK} -f logs -orga me --n-eval-episodes 1"
    push_to_hub.main([*words.split(), *options])


def load(algo: str, *options: str) -> Path:
    words = f"--algo {algo} --env {TASK} -f loaded -orga me"
    load_from_hub.main([*words.split(), *options])
    return Path("loaded", algo, f"{TASK}_1")


def actions(model: Any, statistics: Path | None) -> np.ndarray:
    env: Any = DummyVecEnv([lambda: gymnasium.make(TASK)])
    env.seed(0)
    if statistics is not None:
        env = VecNormalize.load(str(statistics), env)
        env.training = False
    chosen, observations = [], env.reset()
    for _ in range(20):
        chosen.append(model.predict(observations, deterministic=True)[0])
        observations, _, _, _ = env.step(chosen[-1])
    return np.array(chosen)


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("algo", ["sac", "crossq", "td2"])
def test_a_model_comes_back_with_the_same_actions(
    algo: str, normalize: bool, hub: local_hub.Repositories, capsys: Any
) -> None:
    train(algo, normalize=normalize)
    push(algo)
    folder = load(algo)
    assert "nothing in them is run" in capsys.readouterr().err
    before = Path("logs", algo, f"{TASK}_1")
    played = []
    for run in (before, folder):
        statistics = run / TASK / "vecnormalize.pkl"
        assert statistics.exists() == normalize
        model = ALGOS[algo].load(run / f"{TASK}.zip", device="cpu")
        played.append(actions(model, statistics if normalize else None))
    assert np.array_equal(*played)
    names = [{path.name for path in run.iterdir()} for run in (before, folder)]
    assert names[0] - names[1] <= {"best_model.zip"}
