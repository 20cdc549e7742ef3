"""Runs the command sb3-scale for the tests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import warm_python

from sb3_scale.cli import main


def install(folder: Path, distribution: str, code: str, entry: str = "") -> None:
    """What pip leaves in site-packages for a plugin of one module."""
    module = distribution.replace("-", "_")
    (folder / f"{module}.py").write_text(code)
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[sb3_scale]\n{entry or distribution} = {module}\n")


def run(
    *args: str, path: Path | None = None, cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """Run ``python -m sb3_scale`` with the plugins in ``path``, in a process made ready."""
    command = ("-m", "sb3_scale", *args)
    return warm_python.run(cwd or Path.cwd(), command, _variables(path, environ), timeout=900)


def run_process(
    *args: str, path: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    """The same as a user does it, where the start of Python is part of what is tested."""
    return subprocess.run(
        [sys.executable, "-m", "sb3_scale", *args],
        env=_variables(path, environ),
        capture_output=True,
        text=True,
        check=False,
    )


def _variables(path: Path | None, environ: dict[str, str]) -> dict[str, str]:
    environ = {**os.environ, "COLUMNS": "200", **environ}
    if path is not None:
        environ["PYTHONPATH"] = str(path)
    return environ


def error(capsys: pytest.CaptureFixture, *args: str) -> str:
    """The one sentence that a wrong command prints."""
    assert main(args) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("sb3-scale: error: ")
    assert err.count("\n") == 1
    return err.removeprefix("sb3-scale: error: ").strip()
