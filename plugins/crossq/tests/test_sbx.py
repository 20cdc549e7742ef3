"""CrossQ does what SBX's does, in an environment that has SBX: see the program that it runs."""

import os
from pathlib import Path

import pytest
import zoo_commands

PROGRAM = Path(__file__).parents[3] / "benchmarks" / "compare_sbx_crossq.py"
PYTHON = os.environ.get("SB3_SCALE_SBX_PYTHON", "")


@pytest.mark.slow
@pytest.mark.skipif(not PYTHON, reason="SB3_SCALE_SBX_PYTHON names no interpreter with SBX")
@pytest.mark.parametrize(("options", "code"), [("", 0), ("--policy-delay=1", 0), ("--unbiased", 1)])
def test_update_equals_sbx(options: str, code: int, tmp_path: Path) -> None:
    done = zoo_commands.run_process(tmp_path, str(PROGRAM), *options.split(), python=PYTHON)
    assert done.returncode == code, done.stdout + done.stderr
    assert "largest differences to SBX" in done.stdout
