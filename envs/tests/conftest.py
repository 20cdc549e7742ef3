import os
import subprocess
import sys
from collections.abc import Callable

import pytest

import sb3_scale
from sb3_scale_envs.rendering import load_suite

# Before a test module imports dm_control, which otherwise looks for a display.
load_suite()

GRAPHICS = ("MUJOCO_GL", "PYOPENGL_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY")


@pytest.fixture(scope="session", autouse=True)
def registered() -> None:
    sb3_scale.register_envs()


@pytest.fixture
def run_python() -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """Run code in a new process whose graphics variables are the given ones only."""

    def run(code: str, *prefix: str, **variables: str) -> "subprocess.CompletedProcess[str]":
        environ = {name: value for name, value in os.environ.items() if name not in GRAPHICS}
        return subprocess.run(
            [*prefix, sys.executable, "-c", code],
            env=environ | variables,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run
