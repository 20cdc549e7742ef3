"""``sb3-scale new-plugin``."""

import argparse
import keyword
import re
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from string import Template

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.parts import kinds_of

NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
LONGEST = 40

TEMPLATES = {
    "pyproject.toml": "pyproject.toml",
    "README.md": "README.md",
    "settings.yml": "settings.yml",
    "package/__init__.py": "$module/__init__.py",
    "package/critic.py": "$module/critic.py",
    "package/py.typed": "$module/py.typed",
    "tests/test_package.py": "tests/test_$module.py",
}
"""Where each file of ``sb3_scale/template`` goes, without its ending ``.template``."""

NEXT = """\
Wrote {folder}. Next:

  cd {folder}
  python -m pip install -e ".[test]"
  python -m pytest
  sb3-scale describe critic:{name}
  python -m rl_zoo3.train --algo sac --env dog-run --conf-file settings.yml
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    :param parser: of this subcommand
    """
    parser.add_argument("name", metavar="NAME", help="of the package and of its critic: my-critic")
    parser.add_argument(
        "--path", type=Path, default=Path(), help="folder for the new folder NAME, by default here"
    )


def run(args: argparse.Namespace) -> int:
    """
    :param args: ``name`` and ``path``
    :return: 0
    :raises Sb3ScaleError: if the name cannot be used or the folder exists
    """
    folder = write(args.name, args.path)
    print(NEXT.format(folder=folder, name=args.name), end="")
    return 0


def write(name: str, path: Path) -> Path:
    """
    Write a package with one critic.

    :param name: of the distribution and of the critic, ``my-critic``
    :param path: folder for the new folder
    :return: the new folder
    :raises Sb3ScaleError: if the name cannot be used or the folder exists
    """
    module = _module_name(name)
    folder = path / name
    if not path.is_dir():
        raise Sb3ScaleError(f"there is no folder '{path}'")
    if folder.exists():
        raise Sb3ScaleError(f"'{folder}' exists already")
    values = {
        "name": name,
        "module": module,
        "class_name": "".join(word.capitalize() for word in name.split("-")),
    }
    source = files("sb3_scale") / "template"
    for origin, goal in TEMPLATES.items():
        text = source.joinpath(*PurePosixPath(f"{origin}.template").parts).read_text()
        target = folder / Template(goal).substitute(values)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(Template(text).substitute(values))
    return folder


def _module_name(name: str) -> str:
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        raise Sb3ScaleError(
            f"the name is '{name}'; allowed: lower-case letters and digits in words joined by '-', "
            f"at most {LONGEST} characters, for instance 'my-critic'"
        )
    module = name.replace("-", "_")
    if keyword.iskeyword(module) or module == "tests" or find_spec(module) is not None:
        raise Sb3ScaleError(f"the name '{name}' is taken: Python knows a '{module}' already")
    if "critic" in kinds_of(name):
        raise Sb3ScaleError(f"the name '{name}' is taken: there is a critic '{name}' already")
    return module
