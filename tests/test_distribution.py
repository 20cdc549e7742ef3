"""
A stranger's way: wheels in a fresh virtual environment, a plugin of their own, and its loss.

One environment serves all tests of this file, because making it takes longer than all of them.
"""

import subprocess
import sys
import tomllib
import venv
import zipfile
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from zoo_commands import FAST, SMALL, refused
from zoo_commands import run_process as run

from sb3_scale.cli import new_plugin
from sb3_scale.plugins import manager

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = [
    ROOT,
    ROOT / "envs",
    *(each.parent for each in ROOT.glob("plugins/*/pyproject.toml")),
]


def project(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    return found


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheels")
    for source in DISTRIBUTIONS:
        build = ["-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(source)]
        subprocess.run([sys.executable, *build], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def fresh(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Interpreter of a new environment with ``sb3-scale[all]`` from the wheels."""
    folder = tmp_path_factory.mktemp("fresh") / "env"
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    install(python, "--find-links", str(wheels), "sb3-scale[all]", "hatchling")
    return python


def install(python: Path, *what: str) -> None:
    command = [python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt", *what]
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_wheels_hold_what_they_must(wheels: Path) -> None:
    names = {
        wheel.name.split("-")[0]: zipfile.ZipFile(wheel).namelist() for wheel in wheels.iterdir()
    }
    assert set(names) == {project(folder)["name"].replace("-", "_") for folder in DISTRIBUTIONS}
    core = {
        "zoo_configs/sac.yml",
        "zoo_configs/recipes/default.yml",
        "known_parts.json",
        "hub/card.md.jinja",
    }
    assert {f"sb3_scale/{name}" for name in core} <= set(names["sb3_scale"])
    assert "custom_envs.py" in names["sb3_scale_envs"]
    for package, listed in names.items():
        assert f"{package}/py.typed" in listed
        assert not [name for name in listed if "tests/" in name and "template" not in name]


def test_wheels_hold_all_settings(wheels: Path) -> None:
    for plugin, spec in (*manager().specs("zoo-config"), *manager().specs("recipe")):
        package, _, name = spec.target.partition(":")
        (wheel,) = wheels.glob(f"{plugin.distribution.replace('-', '_')}-*.whl")
        assert f"{package}/{name}" in zipfile.ZipFile(wheel).namelist()


def test_the_default_and_the_extras_name_all_distributions() -> None:
    """The two lists that a new plugin is added to, beside its own folder."""
    extras = project(ROOT)["optional-dependencies"]
    asked = map(Requirement, [*project(ROOT)["dependencies"], *chain(*extras.values())])
    own = {each.name for each in asked if each.name.startswith("sb3-scale")}
    assert own == {project(folder)["name"] for folder in DISTRIBUTIONS}
    (everything,) = map(Requirement, extras["all"])
    assert everything.extras == set(extras) - {"all"}


def test_distributions_say_which_versions_of_each_other_they_need() -> None:
    version = project(ROOT)["version"]
    template = Path(new_plugin.__file__).parents[1] / "template" / "pyproject.toml.template"
    asked = [
        project(folder)["dependencies"]
        + list(chain(*project(folder).get("optional-dependencies", {}).values()))
        for folder in DISTRIBUTIONS
    ]
    asked.append(tomllib.loads(template.read_text().replace("$", ""))["project"]["dependencies"])
    for dependencies in asked:
        own = [each for each in map(Requirement, dependencies) if each.name.startswith("sb3-scale")]
        bounded = [each for each in own if not each.extras]
        assert bounded
        assert {str(each.specifier) for each in bounded} == {"<0.2,>=0.1"}
        assert all(version in each.specifier for each in bounded)


def test_one_version_is_written_once(wheels: Path) -> None:
    version = project(ROOT)["version"]
    assert {wheel.name.split("-")[1] for wheel in wheels.iterdir()} == {version}
    assert not [folder for folder in DISTRIBUTIONS[1:] if "version" in project(folder)]
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == version
    assert f"## {version} - " in (ROOT / "CHANGELOG.md").read_text()


@pytest.mark.slow
def test_main_command_outside_the_repository(fresh: Path, tmp_path: Path) -> None:
    train = "-m rl_zoo3.train --algo sac --env dog-run -n 60".split()
    done = run(tmp_path, *train, *FAST, *SMALL, python=str(fresh))
    assert done.returncode == 0, done.stderr
    assert "site-packages/sb3_scale/zoo_configs/sac.yml" in done.stdout
    enjoy = "-m rl_zoo3.enjoy --algo sac --env dog-run -n 20 --no-render -f logs".split()
    done = run(tmp_path, *enjoy, python=str(fresh))
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_third_party_critic_from_birth_to_removal(fresh: Path, tmp_path: Path) -> None:
    command = fresh.parent / "sb3-scale"
    subprocess.run([command, "new-plugin", "my-critic"], cwd=tmp_path, check=True)
    install(fresh, "--no-build-isolation", str(tmp_path / "my-critic"))

    listed = subprocess.run([command, "plugins", "--json"], capture_output=True, check=True)
    assert b'"my-critic"' in listed.stdout

    parts = "policy_kwargs:{'critic':'my-critic'}"
    train = "-m rl_zoo3.train --algo sac --env dog-run -n 60".split()
    done = run(tmp_path, *train, *FAST, *SMALL, parts, python=str(fresh))
    assert done.returncode == 0, done.stderr

    enjoy = "-m rl_zoo3.enjoy --algo sac --env dog-run -n 20 --no-render -f logs".split()
    done = run(tmp_path, *enjoy, python=str(fresh))
    assert done.returncode == 0, done.stderr

    remove = [str(fresh), "-m", "pip", "uninstall", "-q", "-y", "my-critic"]
    subprocess.run(remove, check=True)
    sentence = refused(run(tmp_path, *enjoy, python=str(fresh)))
    assert "there is no critic 'my-critic'" in sentence
    assert sentence.endswith("pip install my-critic")


@pytest.mark.slow
def test_settings_of_a_missing_plugin_name_the_package(fresh: Path, tmp_path: Path) -> None:
    train = "-m rl_zoo3.train --algo sac --env dog-run --conf-file bro".split()
    remove = [str(fresh), "-m", "pip", "uninstall", "-q", "-y", "sb3-scale-bro"]
    subprocess.run(remove, check=True)
    sentence = refused(run(tmp_path, *train, python=str(fresh)))
    assert sentence.startswith("error: there is no recipe 'bro'; it comes with sb3-scale-bro: ")
    assert sentence.endswith("pip install sb3-scale-bro")
