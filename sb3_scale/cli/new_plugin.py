"""``sb3-scale new-plugin``."""

import argparse
import keyword
import os
import re
from importlib.resources import files
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from string import Template
from textwrap import indent

import yaml

from sb3_scale.errors import Sb3ScaleError, suggestion
from sb3_scale.files import make_folder
from sb3_scale.parts import kinds_of
from sb3_scale.specs import KINDS

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 40

COMMON = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "package/__init__.py": "$module/__init__.py",
    "package/py.typed": "$module/py.typed",
}
"""Where files of ``sb3_scale/template`` that serve all kinds go, without ``.template``."""

FILES = {"zoo-config": "sac.yml", "recipe": "recipe.yml"}
"""Kinds whose part is a file of settings."""

MODULES = {kind: f"{kind.replace('-', '_')}.py" for kind in KINDS} | FILES
"""The file of the package that has the part."""

FUNCTIONS = ("optimizer", "env-backend")
"""Kinds whose template is a function, and no class."""

NEXT = """\
Wrote {folder}. Next:

  cd {folder}
  python -m pip install -e ".[test]"
  python -m pytest
  sb3-scale describe {kind}:{name}
  {command}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    :param parser: of this subcommand
    """
    parser.add_argument("name", metavar="NAME", help="of the package and of its part: my-critic")
    parser.add_argument(
        "--kind", default="critic", help=f"of the part, by default critic: {', '.join(KINDS)}"
    )
    parser.add_argument(
        "--path", type=Path, default=Path(), help="folder for the new folder NAME, by default here"
    )


def run(args: argparse.Namespace) -> int:
    """
    :param args: ``name``, ``kind`` and ``path``
    :return: 0
    :raises Sb3ScaleError: if name or kind cannot be used, or the folder exists or cannot be made
    """
    folder = write(args.name, args.kind, args.path)
    command = _values(args.name, args.kind)["command"]
    print(NEXT.format(folder=folder, kind=args.kind, name=args.name, command=command), end="")
    return 0


def write(name: str, kind: str, path: Path) -> Path:
    """
    Write a package with one part, which extends what the core has and keeps its options.

    :param name: of the distribution and of the part, ``my-critic``
    :param kind: of the part
    :param path: folder for the new folder
    :return: the new folder
    :raises Sb3ScaleError: if name or kind cannot be used, or the folder exists
    """
    if kind not in KINDS:
        raise Sb3ScaleError(f"there is no kind '{kind}'{suggestion(kind, KINDS)}")
    values = _values(name, kind)
    folder = path / name
    if not path.is_dir():
        raise Sb3ScaleError(f"there is no folder '{path}'")
    if os.path.lexists(folder):
        raise Sb3ScaleError(f"'{folder}' exists already")
    make_folder(folder)
    for origin, goal in _files(kind).items():
        target = folder / Template(goal).substitute(values)
        target.parent.mkdir(parents=True, exist_ok=True)
        text = Template(_path(origin).read_text()).substitute(values).rstrip()
        target.write_text(f"{text}\n" if text else "")
    return folder


def _files(kind: str) -> dict[str, str]:
    """Templates of a kind, and where they go."""
    own_test = f"kinds/{kind}.test"
    test = own_test if _path(own_test).is_file() else "tests/test_package.py"
    part = f"kinds/{kind}{Path(MODULES[kind]).suffix}"
    files = {**COMMON, part: f"$module/{MODULES[kind]}", test: "tests/test_$module.py"}
    if kind not in FILES:
        files["settings.yml"] = "settings.yml"
    return files


def _path(origin: str) -> Traversable:
    folder = files("sb3_scale") / "template"
    return folder.joinpath(*PurePosixPath(f"{origin}.template").parts)


def _values(name: str, kind: str) -> dict[str, str]:
    """What the templates' placeholders stand for."""
    module = _module_name(name, kind)
    known = yaml.safe_load((files("sb3_scale") / "template" / "kinds" / "kinds.yml").read_text())
    texts = {key: Template(text).substitute(name=name) for key, text in known[kind].items()}
    spec, class_name = KINDS[kind].__name__, "".join(map(str.capitalize, name.split("-")))
    target = f"{module}.{Path(MODULES[kind]).stem}:{class_name}"
    if kind in FUNCTIONS:
        target = f"{module}.{Path(MODULES[kind]).stem}:{module}"
    facts = f'\n        equation="{texts["equation"]}",' if texts["equation"] else ""
    conf = "settings.yml"
    if kind in FILES:
        target, conf = f"{module}:{FILES[kind]}", name
        facts = '\n        algo="sac",'
    options = texts.get("options", f"--algo sac --env {texts.get('task', 'Pendulum-v1')}")
    return {
        "name": name,
        "module": module,
        "class_name": class_name,
        "kind": kind,
        "spec": spec,
        "imports": ", ".join([*sorted({spec, "Spec"}), "hookimpl"]),
        "target": target,
        "summary": texts["summary"],
        "facts": facts,
        "task": texts.get("task", "Pendulum-v1"),
        "settings": indent(texts.get("settings", ""), "  ").rstrip(),
        "what": f"`{module}/{MODULES[kind]}`",
        "algo": name if kind == "algorithm" else "sac",
        "command": f"python -m rl_zoo3.train {options} --conf-file {conf}",
    }


def _module_name(name: str, kind: str) -> str:
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise Sb3ScaleError(
            f"the name is '{name}'; allowed: lower-case letters and digits in words joined by '-', "
            f"at most {LONGEST} characters, for instance 'my-critic'"
        )
    module = name.replace("-", "_")
    if keyword.iskeyword(module) or module == "tests" or find_spec(module) is not None:
        raise Sb3ScaleError(f"the name '{name}' is taken: Python knows a '{module}' already")
    if kind in kinds_of(name):
        raise Sb3ScaleError(f"the name '{name}' is taken: there is a {kind} '{name}' already")
    return module
