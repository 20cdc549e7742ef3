"""The library speaks in one place and in one way."""

import ast
from pathlib import Path

import pytest

import sb3_scale
from sb3_scale.notices import notice

PACKAGE = Path(sb3_scale.__file__).parent


def test_a_notice_is_one_line_on_the_error_output(capsys: pytest.CaptureFixture[str]) -> None:
    notice("compile: the critic's loss\n  runs without compilation")
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "compile: the critic's loss runs without compilation\n"


def test_nothing_else_prints() -> None:
    """The command line and what goes to the hub do: they are programs."""
    prints = [
        f"{path.relative_to(PACKAGE)}:{node.lineno}"
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.parent.name not in ("cli", "hub") and path.name != "notices.py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert prints == []
