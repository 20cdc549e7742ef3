"""The figures of ``benchmarks/trace_step.py``, by hand."""

import runpy
from collections import Counter
from pathlib import Path

import zoo_commands

from trace_step import trace

PROGRAM = Path(__file__).parents[1] / "benchmarks" / "trace_step.py"


def test_files_moves_and_calls_by_hand(tmp_path: Path) -> None:
    """Functions of other folders pass unseen: a call through one is a call from ours to ours."""
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "outside.py").write_text("def through(function):\n    return function()\n")
    (inside / "b.py").write_text("def g():\n    return h()\ndef h():\n    return 1\n")
    (inside / "a.py").write_text("def f(g, through):\n    return g() + through(g)\n")
    f = runpy.run_path(str(inside / "a.py"))["f"]
    g = runpy.run_path(str(inside / "b.py"))["g"]
    through = runpy.run_path(str(tmp_path / "outside.py"))["through"]
    found = trace(lambda: f(g, through), [inside])
    a, b = str(inside / "a.py"), str(inside / "b.py")
    assert found.calls == Counter({a: 1, b: 4})
    assert found.moves == Counter({b: 2, a: 2})
    assert str(found) == "2 files, 4 moves, 5 calls"


def test_stable_baselines3_crosses_what_it_did(tmp_path: Path) -> None:
    """The definition is the one by which the core was measured: see docs/design.md."""
    done = zoo_commands.run(tmp_path, str(PROGRAM), COLUMNS="200")
    assert done.returncode == 0, done.stderr
    assert "sac, its original: 10 files, 88 moves, 106 calls" in done.stdout
    assert "sb3_scale/policies.py" in done.stdout
