"""Rendering in processes of their own, because a process picks its OpenGL once."""

import ctypes.util
import shutil
import sys
from importlib.util import find_spec

import pytest

LIBRARIES = {"egl": "EGL", "osmesa": "OSMesa"}
BACKENDS = [
    pytest.param(
        backend,
        marks=pytest.mark.skipif(
            ctypes.util.find_library(library) is None, reason=f"lib{library} is not installed"
        ),
    )
    for backend, library in LIBRARIES.items()
]

PICTURE = """
import numpy as np
from gymnasium.utils.env_checker import check_env
from sb3_scale_envs.dm_control import DMControlEnv
env = DMControlEnv("cheetah", "run", render_mode="rgb_array", width=64, height=48)
env.reset(seed=0)
before = env.render()
assert before.shape == (48, 64, 3) and before.dtype == np.uint8 and before.std() > 1, before
for _ in range(50):
    env.step(env.action_space.high)
assert not np.array_equal(before, env.render())
back = DMControlEnv("cheetah", "run", render_mode="rgb_array", width=64, height=48, camera_id=1)
named = DMControlEnv(
    "cheetah", "run", render_mode="rgb_array", width=64, height=48, camera_id="back"
)
back.reset(seed=0), named.reset(seed=0)
np.testing.assert_array_equal(back.render(), named.render())
assert not np.array_equal(before, back.render())
for other in (env, back, named):
    other.close()
    other.close()
check_env(DMControlEnv("pendulum", "swingup", render_mode="rgb_array", width=32, height=32))
env = DMControlEnv("quadruped", "escape", render_mode="rgb_array", width=1000, height=500)
env.reset()
assert env.render().shape == (500, 1000, 3)
env.close()
from sb3_scale_envs.dm_control_pixels import DMControlPixelsEnv
pixels = DMControlPixelsEnv("cheetah", "run", size=48, frame_stack=1)
same = DMControlEnv("cheetah", "run", render_mode="rgb_array", width=48, height=48)
same.reset(seed=4)
np.testing.assert_array_equal(pixels.reset(seed=4)[0], same.render().transpose(2, 0, 1))
"""

TRAIN = """
from sb3_scale_envs.dm_control import DMControlEnv
env = DMControlEnv("quadruped", "escape")
env.reset(seed=0)
env.step(env.action_space.sample())
assert env.render() is None
env.close()
"""

WINDOW = """
from sb3_scale_envs.dm_control import DMControlEnv
for domain, task in (("cheetah", "run"), ("quadruped", "escape")):
    env = DMControlEnv(domain, task, render_mode="human", width=200, height=150)
    for seed in range(2):
        env.reset(seed=seed)
        for _ in range(3):
            env.step(env.action_space.sample())
            assert env.render() is None
    env.close()
DMControlEnv("cheetah", "run", render_mode="human", camera_id=-1).close()
print("drawn")
"""


def make(render_mode):
    return (
        "from sb3_scale_envs.dm_control import DMControlEnv\n"
        f"DMControlEnv('cheetah', 'run', render_mode='{render_mode}')\n"
    )


FIRST = "assert 'libLLVM' not in open('/proc/self/maps').read()\nprint('first')\n"
"""A stand-in for triton, whose import ends the process once Mesa has loaded its LLVM."""


def last_line(result):
    return result.stderr.strip().splitlines()[-1]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_picture(run_python, backend):
    result = run_python(PICTURE, MUJOCO_GL=backend)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
@pytest.mark.parametrize("backend", BACKENDS)
def test_triton_can_be_imported_after_a_picture(run_python, backend):
    result = run_python(PICTURE + "import triton", MUJOCO_GL=backend)
    assert result.returncode == 0, result.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads Linux's /proc")
@pytest.mark.parametrize("backend", BACKENDS)
def test_triton_is_loaded_before_opengl(run_python, tmp_path, backend):
    (tmp_path / "triton.py").write_text(FIRST)
    result = run_python(TRAIN, MUJOCO_GL=backend, PYTHONPATH=str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert result.stdout == "first\n"


@pytest.mark.skipif(ctypes.util.find_library("EGL") is None, reason="libEGL is not installed")
def test_without_a_display_a_backend_is_found(run_python):
    result = run_python(make("rgb_array") + "import os; assert os.environ['MUJOCO_GL'] == 'egl'")
    assert result.returncode == 0, result.stderr


def test_a_choice_of_the_user_is_kept(run_python):
    result = run_python(
        TRAIN + "import os; assert os.environ['MUJOCO_GL'] == 'disabled'", MUJOCO_GL="disabled"
    )
    assert result.returncode == 0, result.stderr


def test_a_display_is_left_to_dm_control(run_python):
    result = run_python(TRAIN + "import os; assert 'MUJOCO_GL' not in os.environ", DISPLAY=":99")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "variables",
    [
        {"MUJOCO_GL": "nonsense"},
        {"MUJOCO_GL": "egl", "PYOPENGL_PLATFORM": "osmesa"},
    ],
)
def test_a_backend_that_cannot_be_loaded_does_not_stop_training(run_python, variables):
    result = run_python(TRAIN, **variables)
    assert result.returncode == 0, result.stderr
    assert f"RuntimeWarning: MUJOCO_GL={variables['MUJOCO_GL']} cannot be loaded" in result.stderr


@pytest.mark.parametrize("variables", [{"MUJOCO_GL": "disabled"}, {"MUJOCO_GL": "glfw"}])
def test_a_picture_without_opengl_says_what_to_install(run_python, variables):
    result = run_python(make("rgb_array"), **variables)
    assert result.returncode == 1
    sentence = last_line(result)
    assert sentence.startswith(
        "sb3_scale.errors.Sb3ScaleError: render_mode 'rgb_array' needs OpenGL, which failed with "
        f"MUJOCO_GL={variables['MUJOCO_GL']} ("
    )
    assert sentence.endswith(
        "install libegl1 and set MUJOCO_GL=egl, or install libosmesa6 and set MUJOCO_GL=osmesa"
    )


@pytest.mark.parametrize("variables", [{}, {"DISPLAY": ":99"}])
def test_a_window_without_a_display_says_so(run_python, variables):
    result = run_python(make("human"), **variables)
    assert result.returncode == 1
    assert "Sb3ScaleError: render_mode 'human' needs a display" in last_line(result)
    assert f"DISPLAY={variables.get('DISPLAY', '')}:" in last_line(result)


@pytest.mark.skipif(shutil.which("xvfb-run") is None, reason="xvfb is not installed")
@pytest.mark.parametrize(
    "variables", [{}, pytest.param({"MUJOCO_GL": "egl"}, marks=pytest.mark.slow)]
)
def test_a_window(run_python, variables):
    result = run_python(WINDOW, "xvfb-run", "--auto-servernum", **variables)
    assert result.returncode == 0, result.stderr
    assert "drawn" in result.stdout
