"""Trainings with collectors on Ray as processes of their own: what they start, and leave."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

pytest.importorskip("ray")
pytestmark = pytest.mark.slow

TESTS = Path(__file__).parents[3] / "tests"
SOON = 60.0
"""Seconds in which anything here happens, on two busy cores."""

TRAINING = """
import sys, threading
import my_envs
from counted_env import check_streams
from sb3_scale import SAC
from sb3_scale.collection.unmade import UnmadeVecEnv
from small_models import make
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env

class Tell(BaseCallback):
    def _on_step(self):
        if self.n_calls == 20:
            print("training", self.locals["infos"][0]["pid"], flush=True)
        if self.n_calls == 30 and "raise" in sys.argv:
            raise RuntimeError("a callback failed")
        return True

kwargs = {"lock": threading.Lock()} if "lock" in sys.argv else {}
env = make_vec_env("Mine-v0", 2, vec_env_cls=UnmadeVecEnv, env_kwargs=kwargs)
collector = {"name": "ray", "collectors": 2, "fragment_length": 8}
model = make(SAC, env, collector=collector, buffer_size=10**6)
model.learn(100 if "short" in sys.argv else 10**6, Tell())
print("done", model.num_timesteps, flush=True)
"""

MODULE = """
import gymnasium
from counted_env import Counted

class Mine(Counted):
    def __init__(self, lock=None):
        super().__init__(wait=0.005)

gymnasium.register("Mine-v0", "my_envs:Mine", max_episode_steps=50)
"""


class Training:
    """
    A training in a process group of its own, as of a terminal.

    :param folder: where it runs, with its module of environments
    :param arguments: of the script
    :param environment: more of its environment
    """

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        (folder / "my_envs.py").write_text(MODULE)
        (folder / "train.py").write_text(TRAINING)
        variables = {key: value for key, value in os.environ.items() if not key.startswith("RAY_")}
        self.started: set[int] = set()
        self.process = subprocess.Popen(
            [sys.executable, "train.py", *arguments],
            cwd=folder,
            env={**variables, "PYTHONPATH": str(TESTS), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_until_it_trains(self) -> None:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("training"), line + str(self.process.communicate())
        self.look()

    def look(self) -> list[psutil.Process]:
        """Remember what it has started."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        self.started |= {each.pid for each in found}
        return found

    def end(self) -> tuple[int, str, str]:
        """Exit code and output, of an end by itself."""
        out, err = self.process.communicate(timeout=SOON)
        return self.process.returncode, out, err

    def left(self) -> list[psutil.Process]:
        """What is still there after a few seconds."""
        deadline = time.monotonic() + 10
        while (alive := list(filter(is_there, self.started))) and time.monotonic() < deadline:
            time.sleep(0.1)
        return [psutil.Process(pid) for pid in alive]


def is_there(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.fixture
def start(tmp_path: Path) -> Any:
    """Starts trainings, of which nothing is left after the test."""
    started: list[Training] = []

    def begin(*arguments: str, **environment: str) -> Training:
        started.append(Training(tmp_path, *arguments, **environment))
        return started[-1]

    yield begin
    for training in started:
        for pid in {training.process.pid, *training.started}:
            if is_there(pid):
                os.kill(pid, signal.SIGKILL)
        training.process.wait()


def interrupt(training: Training) -> None:
    os.kill(training.process.pid, signal.SIGINT)


def interrupt_all(training: Training) -> None:
    """As a terminal does."""
    os.killpg(training.process.pid, signal.SIGINT)


@pytest.mark.parametrize("how", [interrupt, interrupt_all])
def test_ctrl_c_leaves_no_process_of_ray(
    start: Callable[..., Training], how: Callable[[Training], None]
) -> None:
    training = start()
    training.wait_until_it_trains()
    names = " ".join(" ".join(each.cmdline()) for each in training.look())
    assert all(part in names for part in ("raylet", "gcs_server", "ray::"))
    begun = time.monotonic()
    how(training)
    code, _, err = training.end()
    assert code != 0
    assert err.count("KeyboardInterrupt") == 1, err
    assert time.monotonic() - begun < 20
    assert not training.left()


def test_a_training_that_is_killed_leaves_no_collector(start: Callable[..., Training]) -> None:
    training = start()
    training.wait_until_it_trains()
    training.process.kill()
    training.end()
    # Ray's own agents of a node outlive a raylet that was killed, for a while.
    names = [" ".join(each.cmdline()) for each in training.left()]
    assert all("Agent" in name for name in names), names


def test_an_exception_in_a_callback_leaves_no_process_of_ray(
    start: Callable[..., Training],
) -> None:
    training = start("raise")
    training.wait_until_it_trains()
    code, _, err = training.end()
    assert code == 1
    assert err.count("RuntimeError: a callback failed") == 1, err
    assert not training.left()


def test_an_environment_of_a_module_beside_the_script_is_found_by_collectors(
    start: Callable[..., Training],
) -> None:
    training = start("short")
    training.wait_until_it_trains()
    code, out, err = training.end()
    assert (code, out) == (0, "done 100\n"), err
    assert "Ray" not in err
    assert not training.left()


def test_what_cannot_be_pickled_is_named_before_ray_is_started(
    start: Callable[..., Training],
) -> None:
    training = start("lock")
    while training.process.poll() is None:
        for each in training.look():
            assert "raylet" not in each.name()
        time.sleep(0.05)
    code, _, err = training.end()
    assert code == 1
    last = err.strip().split("\n")[-1]
    assert "environment 0" in last
    assert "'lock'" in last
    assert "cannot pickle '_thread.lock' object" in last


def test_ray_at_an_address_is_used_and_left_running(
    start: Callable[..., Training], tmp_path: Path
) -> None:
    import ray

    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        address = ray.get_runtime_context().gcs_address
        for _ in range(2):
            training = start("short", RAY_ADDRESS=address, RAY_AUTH_MODE="token")
            training.wait_until_it_trains()
            assert not training.look()
            code, out, err = training.end()
            assert (code, out) == (0, "done 100\n"), err
        assert [node["Alive"] for node in ray.nodes()] == [True]
    finally:
        ray.shutdown()


TERMINATED = """
import signal
from sb3_scale import SAC
from sb3_scale.zoo.termination import Termination
from small_models import make
from stable_baselines3.common.callbacks import BaseCallback

class Ask(BaseCallback):
    def _on_step(self):
        if self.n_calls == 5:
            signal.raise_signal(signal.SIGTERM)
        return True

for callback, decisions in ((None, 40), (Ask(), 10**6)):
    termination = Termination()
    try:
        with termination.interrupts():
            make(SAC, collector={"name": "ray", "collectors": 2}).learn(decisions, callback)
            signal.raise_signal(signal.SIGTERM)
    except KeyboardInterrupt:
        print("interrupted", termination.number, flush=True)
"""


def test_sigterm_interrupts_within_and_after_a_training(tmp_path: Path) -> None:
    (tmp_path / "terminated.py").write_text(TERMINATED)
    done = subprocess.run(
        [sys.executable, "terminated.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=4 * SOON,
    )
    assert done.stdout.split() == ["interrupted", "15"] * 2, done.stderr
