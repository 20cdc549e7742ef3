"""Plugins, environments and templates import only what docs/public-modules.md promises."""

import ast
import re
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from string import Template

import pytest

from sb3_scale.cli import new_plugin
from sb3_scale.specs import KINDS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "public-modules.md"
PUBLIC = re.findall(r"^\| `(sb3_scale[\w.]*)` \|", PAGE.read_text(), re.MULTILINE)
FOLDERS = [
    *sorted(ROOT.glob("plugins/*/sb3_scale_*")),
    ROOT / "envs" / "sb3_scale_envs",
    *sorted((ROOT / "tests" / "third_party_packages").iterdir()),
]


def imported(code: str) -> set[str]:
    """Modules of the core that code imports; a name of a package may be a module of it."""
    found = set()
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found |= {_module(node.module, alias.name) for alias in node.names}
    return {name for name in found if name.partition(".")[0] == "sb3_scale"}


def _module(package: str, name: str) -> str:
    inner = f"{package}.{name}"
    is_module = package.partition(".")[0] == "sb3_scale" and _exists(inner)
    return inner if is_module else package


def _exists(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def test_the_list_is_sorted_and_names_modules_that_exist() -> None:
    unordered = [pair for pair in pairwise(PUBLIC) if pair[0] >= pair[1]]
    assert not unordered
    assert not [name for name in PUBLIC if find_spec(name) is None]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_a_package_imports_public_modules_alone(folder: Path) -> None:
    files = sorted(folder.rglob("*.py"))
    assert files
    hidden = {
        (path.relative_to(ROOT).as_posix(), name)
        for path in files
        for name in imported(path.read_text()) - set(PUBLIC)
    }
    assert hidden == set()


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_imports_public_modules_alone(kind: str) -> None:
    values = new_plugin._values(f"public-{kind}", kind)
    for origin, goal in new_plugin._files(kind).items():
        if goal.endswith(".py"):
            code = Template(new_plugin._path(origin).read_text()).substitute(values)
            assert imported(code) <= set(PUBLIC), origin


def test_an_import_of_an_inner_module_is_seen() -> None:
    code = "from sb3_scale.execution import captured\nimport sb3_scale.learning.sampling\n"
    assert imported(code) == {"sb3_scale.execution.captured", "sb3_scale.learning.sampling"}
    assert imported(code).isdisjoint(PUBLIC)
