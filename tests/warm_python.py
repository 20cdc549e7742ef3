"""
Runs Python commands in forks of one process that has imported RL-Zoo's requirements already.

A fork imports sb3_scale itself, plugins included, so it differs from a new process only in what no
test here is about: importing PyTorch and its like takes 3 seconds of each new process.
"""

import functools
import json
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import types
from pathlib import Path

PRELOADED = ["torch._dynamo", "torch.utils.tensorboard", "sb3_contrib", "pandas", "tensorboard"]
PRELOADED += ["optuna.visualization.matplotlib", "rl_zoo3", "rl_zoo3.wrappers", "rl_zoo3.callbacks"]
"""Of other packages only, and nothing that imports sb3_scale."""


def run(
    folder: Path,
    command: tuple[str, ...],
    environment: dict[str, str],
    timeout: float,
    path: list[str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """
    :param folder: where the command runs
    :param command: arguments of Python: ``-m module ...``, ``-c code ...`` or a file and its own
    :param environment: all variables of the process; ``PYTHONPATH`` counts
    :param timeout: seconds after which it is killed
    :param path: where modules are looked for, by default :func:`installed`
    :return: exit code and output, as ``subprocess.run`` gives them
    :raises subprocess.TimeoutExpired: if it was killed
    """
    with tempfile.TemporaryDirectory() as outputs:
        files = [Path(outputs, name) for name in ("stdout", "stderr")]
        process = _context().Process(
            target=_main, args=(folder, command, environment, files, path or installed())
        )
        process.start()
        process.join(timeout)
        if process.is_alive():
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(command, timeout)
        code = process.exitcode
        process.close()
        out, err = (file.read_text() if file.exists() else "" for file in files)
    return subprocess.CompletedProcess(command, code, out, err)


@functools.cache
def _context() -> multiprocessing.context.ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    return context


@functools.cache
def installed() -> list[str]:
    """
    :return: what a new interpreter has on its path, without the folders that pytest adds
    """
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    code = "import json, sys; print(json.dumps(sys.path[1:]))"
    answer = subprocess.check_output([sys.executable, "-c", code], env=environment)
    return json.loads(answer)


def _main(
    folder: Path,
    command: tuple[str, ...],
    environment: dict[str, str],
    files: list[Path],
    path: list[str],
) -> None:
    for number, file in enumerate(files, start=1):
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    given = environment.get("PYTHONPATH", "")
    sys.path[:] = [*filter(None, given.split(os.pathsep)), *path]
    try:
        _execute(*command)
    except Exception:
        sys.excepthook(*sys.exc_info())
        sys.exit(1)


def _execute(first: str, *rest: str) -> None:
    """As the command line of Python does it."""
    sys.orig_argv = [sys.executable, first, *rest]
    if first == "-m":
        sys.argv = list(rest)
        sys.path.insert(0, os.getcwd())
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = ["-c", *rest[1:]]
        sys.path.insert(0, "")
        main = sys.modules["__main__"] = types.ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), main.__dict__)
    else:
        sys.argv = [first, *rest]
        sys.path.insert(0, str(Path(first).parent))
        runpy.run_path(first, run_name="__main__")
