"""Weights & Biases, offline: ``--track`` of RL-Zoo with our runs."""

import json
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import stable_baselines3
import wandb
from small_models import make
from zoo_commands import refused, run, run_process

from sb3_scale import SAC
from sb3_scale.algorithms.resolved import resolved
from sb3_scale.zoo import tracking

TRACKED = SimpleNamespace(args=Namespace(track=True))


@pytest.fixture
def tracked(tmp_path: Path) -> Iterator[wandb.Run]:
    with wandb.init(mode="offline", dir=tmp_path, config={"algo": "sac"}) as begun:
        yield begun
    wandb.teardown()


def test_a_run_has_what_was_built_as_config(tracked: wandb.Run) -> None:
    model = make(SAC)
    tracking.tell(TRACKED, model)
    # It keeps the recipe as JSON.
    assert tracked.config["resolved"] == json.loads(json.dumps(resolved(model)))
    assert tracked.config["resolved"]["policy_kwargs"]["critic"]["network"]["depth"] == 2
    assert tracked.config["algo"] == "sac"


def test_nothing_is_told_where_nothing_is_tracked_or_built(tracked: wandb.Run) -> None:
    tracking.tell(SimpleNamespace(args=Namespace(track=False)), make(SAC))
    tracking.tell(TRACKED, SAC("MlpPolicy", "Pendulum-v1", buffer_size=10))
    tracking.tell(TRACKED, stable_baselines3.PPO("MlpPolicy", "Pendulum-v1", n_steps=64))
    assert "resolved" not in tracked.config


def test_the_extra_is_named_where_its_package_is_missing(tmp_path: Path) -> None:
    (tmp_path / "wandb.py").write_text("raise ImportError('broken')")
    command = "-m rl_zoo3.train --algo sac --env Pendulum-v1 --track -n 10".split()
    done = run(tmp_path, *command)
    expected = 'error: --track needs Weights & Biases: broken: pip install "sb3-scale[track]"'
    assert refused(done) == expected


@pytest.mark.slow
def test_the_command_tracks_offline(tmp_path: Path) -> None:
    task = "-m rl_zoo3.train --algo crossq --env Pendulum-v1 --conf-file crossq -n 220"
    small = "learning_starts:10 batch_size:4 buffer_size:50 policy_kwargs.critic.network.width:8"
    options = "--track --log-interval 1 --eval-freq -1 -params"
    callback = "callback:[{'name': 'q-value', 'interval': 50}]"
    command = f"{task} {options} {small}".split()
    # Weights & Biases writes the last of its file when the process ends.
    done = run_process(tmp_path, *command, callback, WANDB_MODE="offline")
    assert done.returncode == 0, done.stderr
    (file,) = tmp_path.glob("wandb/offline-run-*/*.wandb")
    content = file.read_bytes()
    assert b'"algorithm":"CrossQ"' in content
    assert b'"width":8' in content
    (events,) = tmp_path.glob("runs/*/*/*/events.out.tfevents*")
    assert b"histograms/q_value/all" in events.read_bytes()
    assert b"diagnostics/q_value/mean" in content
    wrong = [word.replace("batch_size", "batch_sise") for word in command]
    done = run_process(tmp_path, *wrong, WANDB_MODE="offline")
    assert "did you mean 'batch_size'" in refused(done)
