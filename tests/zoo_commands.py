"""Runs RL-Zoo's own commands for the tests."""

import os
import subprocess
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import warm_python
from rl_zoo3.exp_manager import ExperimentManager

from sb3_scale.zoo import install

FAST = ["--eval-freq", "-1", "--seed", "1", "--verbose", "1"]
"""Options that keep a test run short."""

SMALL = ["-params", "learning_starts:50", "batch_size:16", "buffer_size:1000"]
"""Settings that keep a test run short."""


def run(folder: Path, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """
    Run Python where the process itself is not what the test is about.

    :param folder: where the command runs
    :param command: arguments of Python
    :param environment: variables to set
    :return: exit code and output
    """
    return warm_python.run(folder, command, _variables(environment), timeout=900)


def run_without_us(
    folder: Path, *command: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """
    Run Python in an environment that has RL-Zoo and none of our packages.

    :param folder: where the command runs
    :param command: arguments of Python
    :param environment: variables to set
    :return: exit code and output
    """
    root = Path(__file__).parents[1]
    # Ours are editable: their sources are on the path, and without those nothing of them is found.
    path = [one for one in warm_python.installed() if not _within(Path(one), root)]
    return warm_python.run(folder, command, _variables(environment), timeout=900, path=path)


def _within(folder: Path, root: Path) -> bool:
    return folder.is_relative_to(root) and "site-packages" not in folder.parts


def run_process(
    folder: Path, *command: str, python: str = sys.executable, **environment: str
) -> subprocess.CompletedProcess[str]:
    """
    Run Python as a user does.

    :param folder: where the command runs
    :param command: arguments of Python
    :param python: the interpreter
    :param environment: variables to set
    :return: exit code and output
    """
    return subprocess.run(
        [python, *command],
        cwd=folder,
        env=_variables(environment),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def _variables(environment: dict[str, str]) -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg", **environment}


def train(folder: Path, env: str, n: int, *options: str, **environment: str) -> str:
    """
    :param folder: where the command runs
    :param env: the task
    :param n: number of decisions
    :param options: further options of ``rl_zoo3.train``
    :param environment: variables to set
    :return: what a run that must succeed prints
    """
    command = ("-m", "rl_zoo3.train", "--algo", "sac", "--env", env, "-n", str(n))
    done = run(folder, *command, *options, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def experiment(file: str, env: str, algo: str = "sac", **options: Any) -> ExperimentManager:
    """
    What RL-Zoo's ``train`` makes of its arguments, in this process.

    :param file: of settings
    :param env: the task
    :param algo: name of the algorithm
    :param options: of ``ExperimentManager``
    :return: the manager, which has read nothing yet
    """
    install()
    options = {"eval_freq": -1, "log_interval": -1, "n_timesteps": -1, "verbose": 0, **options}
    return ExperimentManager(Namespace(), algo, env, "logs", config=file, **options)


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """
    :param done: a command that must have refused its input
    :return: our one sentence
    """
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    assert "rollout/" not in done.stdout
    return lines[0]
