"""Pixel tasks in RL-Zoo and in algorithms, with settings that would stack their frames twice."""

from functools import partial
from pathlib import Path

import gymnasium
import pytest
import yaml
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack
from zoo_commands import experiment

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
