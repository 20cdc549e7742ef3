import copy
import gc
import os
import pickle
import warnings
import weakref

import gymnasium
import numpy as np
import pytest
from dm_control import suite
from dm_control.mujoco.engine import Camera
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

from sb3_scale.errors import Sb3ScaleError
from sb3_scale_envs import opengl
from sb3_scale_envs.dm_control import DMControlEnv
from sb3_scale_envs.dm_control_pixels import CAMERAS, DMControlPixelsEnv
from sb3_scale_envs.rendering import FLAGS
from sb3_scale_envs.tasks import TASKS

PLAIN = {"shadows": False, "reflections": False, "antialiasing": False}
"""Draws fast enough for tests that do not look at the picture."""

SOME = [
    ("cartpole", "swingup", {}),
    ("finger", "spin", {"shadows": False}),
    ("quadruped", "walk", PLAIN),
    ("quadruped", "escape", PLAIN),
]
REST = [
    pytest.param(domain, task, {}, marks=pytest.mark.slow)
    for domain, tasks in TASKS.items()
    for task in tasks
]


def picture_of_dm_control(physics, camera, render, size=84):
    flags = {FLAGS[name]: value for name, value in render.items() if name in FLAGS}
    return physics.render(size, size, camera_id=camera, render_flag_overrides=flags)


@pytest.mark.parametrize(("domain", "task", "render"), [*SOME, *REST])
def test_each_frame_is_that_of_dm_control_bit_for_bit(domain, task, render):
    env = DMControlPixelsEnv(domain, task, render=render)
    raw = suite.load(domain, task, task_kwargs={"random": 5})
    # lqr draws its springs while it loads.
    if domain == "lqr":
        raw = DMControlEnv(domain, task)._env
        raw.task._random.seed(5)
    if not render.get("antialiasing", True):
        raw.physics.model.vis.quality.offsamples = 0
    camera = CAMERAS.get(domain, 0)
    observation, _ = env.reset(seed=5)
    raw.reset()
    opengl.share_context(raw.physics)
    frames = [picture_of_dm_control(raw.physics, camera, render)] * 3
    env.action_space.seed(0)
    for _ in range(5):
        assert observation.dtype == np.uint8
        expected = np.concatenate([frame.transpose(2, 0, 1) for frame in frames[-3:]])
        np.testing.assert_array_equal(observation, expected)
        action = env.action_space.sample()
        observation = env.step(action)[0]
        for _ in range(2):
            raw.step(action)
        frames.append(picture_of_dm_control(raw.physics, camera, render))
    env.close()
    raw.physics.free()


def test_the_task_is_that_of_the_state_but_for_the_observation():
    pixels = gymnasium.make("cartpole-swingup-pixels", action_repeat=8, render=PLAIN, size=9)
    state = gymnasium.make("cartpole-swingup", action_repeat=8)
    assert pixels.action_space == state.action_space
    assert pixels.observation_space == gymnasium.spaces.Box(0, 255, (9, 9, 9), np.uint8)
    assert pixels.metadata["render_fps"] == state.metadata["render_fps"]
    assert pixels.unwrapped.max_episode_steps == state.unwrapped.max_episode_steps == 125
    pixels.reset(seed=1), state.reset(seed=1)
    state.action_space.seed(1)
    for _ in range(125):
        action = state.action_space.sample()
        assert pixels.step(action)[1:] == state.step(action)[1:]
    with pytest.raises(gymnasium.error.ResetNeeded):
        pixels.step(action)


def test_one_frame_is_drawn_for_each_decision_and_a_video_on_demand(monkeypatch):
    sizes = []
    draw = Camera.render

    def counted(camera, *args, **kwargs):
        sizes.append(camera.width)
        return draw(camera, *args, **kwargs)

    monkeypatch.setattr(Camera, "render", counted)
    env = DMControlPixelsEnv("cartpole", "swingup", 8, render=PLAIN, render_mode="rgb_array")
    env.reset(seed=0)
    for _ in range(3):
        env.step(env.action_space.sample())
    assert sizes == [84] * 4
    assert env.render().shape == (480, 480, 3)
    assert sizes == [84] * 4 + [480]


def test_a_frame_may_be_larger_than_the_video():
    both = DMControlPixelsEnv(
        "finger", "spin", size=700, width=64, height=32, render=PLAIN, render_mode="rgb_array"
    )
    alone = DMControlPixelsEnv("finger", "spin", size=700, render=PLAIN)
    np.testing.assert_array_equal(both.reset(seed=0)[0], alone.reset(seed=0)[0])
    assert both.render().shape == (32, 64, 3)


def test_an_observation_is_not_changed_by_the_next_one():
    env = DMControlPixelsEnv("pendulum", "swingup", 20, render=PLAIN, size=32)
    first = env.reset(seed=0)[0]
    kept = first.copy()
    later = env.step(env.action_space.high)[0]
    np.testing.assert_array_equal(first, kept)
    assert not np.array_equal(first, later)
    np.testing.assert_array_equal(first[3:], later[:6])


def test_what_is_left_out_is_gone_from_the_frame():
    def frame(**render):
        return DMControlPixelsEnv("cheetah", "run", render=render).reset(seed=0)[0]

    whole = frame()
    for name in ("shadows", "reflections", "skybox", "antialiasing"):
        assert not np.array_equal(whole, frame(**{name: False})), name
        np.testing.assert_array_equal(whole, frame(**{name: True}))


def test_environments_of_a_process_share_one_context_and_keep_their_pictures():
    tasks = [("cartpole", "swingup"), ("walker", "run"), ("cartpole", "balance")]
    envs = [DMControlPixelsEnv(*pair, size=16, render=PLAIN) for pair in tasks]
    raws = [suite.load(*pair, task_kwargs={"random": 3}) for pair in tasks]
    for raw in raws:
        raw.reset()
        raw.physics.model.vis.quality.offsamples = 0
    for env in envs:
        env.reset(seed=3)
    for _ in range(3):
        seen = [env.step(env.action_space.high)[0][-3:] for env in envs]
        for raw, last in zip(raws, seen, strict=True):
            for _ in range(2):
                raw.step(raw.action_spec().maximum)
            expected = picture_of_dm_control(raw.physics, 0, PLAIN, 16)
            np.testing.assert_array_equal(last, expected.transpose(2, 0, 1))
    assert {id(env._task.physics.contexts.gl) for env in envs} == {id(opengl.open_context())}
    assert list(opengl._contexts) == [os.getpid()]
    envs[0].close()
    envs[1].step(envs[1].action_space.high)


def test_an_environment_that_nobody_holds_frees_its_buffer():
    env = DMControlPixelsEnv("cartpole", "swingup", size=16, render=PLAIN)
    env.reset()
    buffer = weakref.ref(env._task.physics.contexts.mujoco)
    gc.collect()
    gc.disable()
    del env
    freed = buffer() is None
    gc.enable()
    assert freed


def test_a_vec_env_holds_different_tasks():
    def make(name):
        return lambda: gymnasium.make(f"cartpole-{name}-pixels", size=16, render=PLAIN)

    venv = DummyVecEnv([make("swingup"), make("balance_sparse")])
    venv.seed(3)
    first = venv.reset()
    for i, name in enumerate(("swingup", "balance_sparse")):
        np.testing.assert_array_equal(first[i], make(name)().reset(seed=3 + i)[0])


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda env: pickle.loads(pickle.dumps(env))], ids=["copy", "pickle"]
)
def test_a_copy_starts_afresh_with_the_same_arguments(copied):
    env = DMControlPixelsEnv("reacher", "easy", 4, 2, 20, render=PLAIN)
    first = env.reset(seed=9)[0]
    other = copied(env)
    np.testing.assert_array_equal(other.reset(seed=9)[0], first)
    assert first.shape == (6, 20, 20)


@pytest.mark.slow
@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_other_processes_draw_the_same(start_method):
    def make():
        return DMControlPixelsEnv("cartpole", "swingup", size=32)

    here = make().reset(seed=0)[0]
    venv = SubprocVecEnv([make, make], start_method=start_method)
    venv.seed(0)
    np.testing.assert_array_equal(venv.reset()[0], here)
    venv.close()


FORK = """
from stable_baselines3.common.vec_env import SubprocVecEnv
from sb3_scale_envs.dm_control_pixels import DMControlPixelsEnv
make = lambda: DMControlPixelsEnv("cartpole", "swingup", size=32)
here = make()
venv = SubprocVecEnv([make, make], start_method="fork")
venv.seed(0)
there = venv.reset()[0]
venv.close()
assert (here.reset(seed=0)[0] == there).all()
import os, sys
sys.stdout.flush()
if os.fork() == 0:
    try:
        make().reset()
    except ValueError as error:
        print(error, flush=True)
    os._exit(0)
os.wait()
"""


@pytest.mark.slow
def test_a_fork_draws_before_its_parent_does_and_is_told_so_afterwards(run_python):
    result = run_python(FORK)
    assert result.returncode == 0, result.stderr
    assert result.stdout == (
        "OpenGL was in use before this process was forked, and a fork cannot draw; allowed: "
        "start_method 'forkserver' or 'spawn', or a fork before the first picture\n"
    )


def test_without_opengl_the_first_reset_says_so(run_python):
    code = (
        "from sb3_scale_envs.dm_control_pixels import DMControlPixelsEnv\n"
        "DMControlPixelsEnv('quadruped', 'escape').reset()\n"
    )
    result = run_python(code, MUJOCO_GL="disabled")
    assert result.returncode == 1
    assert (
        result.stderr.strip()
        .splitlines()[-1]
        .startswith(
            "sb3_scale.errors.Sb3ScaleError: an observation of pixels needs OpenGL, which failed "
            "with MUJOCO_GL=disabled ("
        )
    )


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (
            {"camera_id": 9},
            "camera_id is 9; allowed: fixed, lookatcart, a whole number from -1 to 1$",
        ),
        ({"camera_id": "0"}, "camera_id is '0'; allowed: .* a whole number from -1 to 1$"),
        ({"camera_id": "fixd"}, "camera_id is 'fixd'; .*did you mean 'fixed'"),
        (
            {"frame_stack": 29},
            "frame_stack is 29 and size is 84, so 87 .* size at least 87, or",
        ),
        ({"size": 0}, "size is 0; allowed: a whole number, at least 1"),
        ({"frame_stack": 0}, "frame_stack is 0; allowed: a whole number, at least 1"),
        ({"action_repeat": 1.5}, "action_repeat is 1.5; allowed: a whole number"),
        ({"render": {"shadow": False}}, "render has no 'shadow' .*did you mean 'shadows'"),
        ({"render": {"haze": 0}}, "render: haze is 0; allowed: true, false"),
        ({"render": "fast"}, "render is 'fast'; allowed: true or false by name"),
        ({"render_mode": "ansi"}, "render_mode is 'ansi'; allowed: rgb_array"),
        ({"task": "swingpu"}, "has no task 'swingpu'.*did you mean 'swingup'"),
    ],
)
def test_bad_arguments_are_refused_in_one_sentence(kwargs, message):
    with pytest.raises(Sb3ScaleError, match=message) as caught:
        DMControlPixelsEnv(**{"domain": "cartpole", "task": "swingup"} | kwargs)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kwargs", [{}, {"render_mode": "rgb_array"}])
def test_check_env_has_nothing_to_say(kwargs):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for check in (gymnasium_check_env, sb3_check_env):
            check(gymnasium.make("cartpole-swingup-pixels", render=PLAIN, **kwargs).unwrapped)
