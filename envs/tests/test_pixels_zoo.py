"""Pixel tasks in RL-Zoo and in algorithms, with settings that would stack their frames twice."""

import csv
import json
from functools import partial
from pathlib import Path

import gymnasium
import numpy as np
import pytest
import yaml
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack
from zoo_commands import experiment, run, train

from sb3_scale import SAC, Sb3ScaleError

TASK = {
    "n_timesteps": 12,
    "policy": "ScalePolicy",
    "learning_starts": 10,
    "buffer_size": 20,
}
PIXELS = "sb3_scale_envs.pixels.PixelObservation"
STACK = "gymnasium.wrappers.FrameStackObservation"
VEC_STACK = "stable_baselines3.common.vec_env.VecFrameStack"
ONCE = "; allowed: one of them, the others 1"
OWN = "'cartpole-swingup-pixels' with frame_stack 3"


def prepare(folder: Path, env: str, **settings):
    file = folder / "settings.yml"
    file.write_text(yaml.safe_dump({env: TASK | settings}))
    manager = experiment(str(file), env)
    manager._preprocess_hyperparams(manager.read_hyperparameters()[0])
    return manager


@pytest.mark.parametrize(
    ("env", "settings", "stacks"),
    [
        ("cartpole-swingup-pixels", {"frame_stack": 2}, f"{OWN} and by frame_stack: 2"),
        (
            "cartpole-swingup-pixels",
            {"env_wrapper": {STACK: {"stack_size": 4}}},
            f"{OWN} and by FrameStackObservation with stack_size 4",
        ),
        (
            "cheetah-run",
            {"env_wrapper": PIXELS, "frame_stack": 3},
            "PixelObservation with frame_stack 3 and by frame_stack: 3",
        ),
        (
            "cartpole-swingup-pixels",
            {"vec_env_wrapper": {VEC_STACK: {"n_stack": 2}}},
            f"{OWN} and by VecFrameStack with n_stack 2",
        ),
        (
            "cheetah-run",
            {"env_wrapper": PIXELS, "vec_env_wrapper": [{VEC_STACK: {"n_stack": 3}}]},
            "PixelObservation with frame_stack 3 and by VecFrameStack with n_stack 3",
        ),
    ],
)
def test_frames_that_would_be_stacked_twice_are_refused(
    tmp_path, monkeypatch, env, settings, stacks
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Sb3ScaleError) as raised:
        prepare(tmp_path, env, **settings)
    assert str(raised.value) == f"frames would be stacked by {stacks}{ONCE}"


def test_frames_that_are_stacked_once_are_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    kwargs = {"env_kwargs": {"frame_stack": 1, "size": 16}}
    prepare(tmp_path, "cartpole-swingup-pixels", frame_stack=3, **kwargs)
    wrapper = {PIXELS: {"frame_stack": 1, "size": 16}}
    prepare(tmp_path, "cheetah-run", env_wrapper=wrapper, frame_stack=3)
    vec = {VEC_STACK: {"n_stack": 3}}
    prepare(tmp_path, "cheetah-run", env_wrapper=wrapper, vec_env_wrapper=vec)
    prepare(tmp_path, "cartpole-swingup-pixels")


def test_an_algorithm_refuses_frames_that_are_stacked_twice():
    def env(frames, n_stack):
        make = partial(gymnasium.make, "cartpole-swingup-pixels", frame_stack=frames, size=48)
        return VecFrameStack(DummyVecEnv([make]), n_stack)

    settings = {"policy": "ScalePolicy", "buffer_size": 20, "device": "cpu"}
    settings["policy_kwargs"] = {"extractor": {"name": "drq", "channels": 2, "features": 4}}
    twice = "stacked by VecFrameStack with n_stack 3 and by the environment with frame_stack 3"
    with pytest.raises(Sb3ScaleError, match=twice):
        SAC(env=env(3, 3), **settings)
    model = SAC(env=env(1, 4), **settings)
    model.set_env(env(4, 1))
    with pytest.raises(Sb3ScaleError, match="n_stack 2 and by the environment with frame_stack 2"):
        model.set_env(env(2, 2))
    with pytest.raises(Sb3ScaleError, match="by VecFrameStack with n_stack 2 and by VecFrameStack"):
        SAC(env=VecFrameStack(env(1, 2), 2), **settings)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run of a recipe from pixels, with narrower heads; the diagnostics of paper 1."""
    folder = tmp_path_factory.mktemp("pixels")
    options = "--conf-file pixels-modern2-spectral --seed 1 --eval-freq 40 --eval-episodes 1"
    settings = ["env_kwargs:{'action_repeat':8}", "learning_starts:30", "batch_size:8"]
    settings += ["policy_kwargs.extractor.strides:[2,2,2,1]"]
    for part in ("actor", "critic"):
        settings += [f"policy_kwargs.{part}.network.{name}:16" for name in ("width", "inner_width")]
    watched = ("critic-loss", "gradient-norm", "singular-values")
    callbacks = ["csv-logger", *({"name": name, "interval": 5} for name in watched)]
    settings += [f"callback:{callbacks}"]
    words = [*options.split(), "--save-replay-buffer", "-params", *settings]
    train(folder, "cartpole-swingup-pixels", 40, *words)
    return folder


def run_of(folder: Path) -> str:
    return str(folder / "logs" / "sac" / "cartpole-swingup-pixels_1")


@pytest.mark.slow
def test_what_a_run_from_pixels_logs(trained: Path) -> None:
    with Path(run_of(trained), "progress.csv").open() as file:
        last = list(csv.DictReader(file))[-1]
    for key in ("critic_loss", "gradient_norm/critic", "singular_values/actor"):
        found = [name for name in last if f"diagnostics/{key}" in name]
        assert found, (key, list(last))
        assert all(np.isfinite(float(last[name])) for name in found)


@pytest.mark.slow
def test_enjoy_and_report_know_pixels(trained: Path) -> None:
    words = "--algo sac --env cartpole-swingup-pixels -n 20 --no-render -f logs"
    done = run(trained, "-m", "rl_zoo3.enjoy", *words.split())
    assert done.returncode == 0, done.stderr
    words = ["report", run_of(trained), "--json", "--random-episodes", "1"]
    done = run(trained, "-m", "sb3_scale", *words)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["environment"], report["decisions"]) == ("cartpole-swingup-pixels", 40)


@pytest.mark.slow
def test_a_video_of_a_run_from_pixels(trained: Path) -> None:
    words = "--algo sac --env cartpole-swingup-pixels -n 4 -f logs -o videos"
    done = run(trained, "-m", "rl_zoo3.record_video", *words.split())
    assert done.returncode == 0, done.stderr
    (video,) = (trained / "videos").glob("*.mp4")
    assert video.stat().st_size > 1000


@pytest.mark.slow
def test_the_landscape_of_a_run_from_pixels(trained: Path) -> None:
    words = ["landscape", run_of(trained), "--points", "3", "--transitions", "8"]
    done = run(trained, "-m", "sb3_scale", *words)
    assert done.returncode == 0, done.stderr
    with np.load(Path(run_of(trained)) / "landscape.npz") as data:
        assert np.isfinite(data["losses"]).all()
