"""sb3-scale new-plugin: the package that it writes passes its own checks and trains by name."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import warm_python
import yaml

NAME = "bold-critic"

TRAIN = f"""
from sb3_scale import SAC

critic = {{"name": "{NAME}", "n_critics": 3, "pessimism": 0.5}}
model = SAC(
    "ScalePolicy",
    "Pendulum-v1",
    policy_kwargs={{"critic": critic}},
    learning_starts=100,
    buffer_size=1000,
    seed=0,
)
model.learn(300)
print(type(model.policy.critic).__name__, model.num_timesteps, model._n_updates)
model.save("model")
"""

LOAD = 'from sb3_scale import SAC; print(type(SAC.load("model").policy.critic).__name__)'


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    parent = tmp_path_factory.mktemp("new_plugin")
    answer = python(parent, "-m", "sb3_scale", "new-plugin", NAME, "--path", str(parent))
    assert answer.returncode == 0, answer.stderr
    assert f"cd {parent / NAME}" in answer.stdout
    return parent / NAME


@pytest.fixture(scope="module")
def site(folder, tmp_path_factory) -> Path:
    """Where pip installs the package, apart from the other tests' environment."""
    site = tmp_path_factory.mktemp("site")
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--disable-pip-version-check"]
    answer = python(folder, "-m", "pip", "install", *options, "--target", str(site), str(folder))
    assert answer.returncode == 0, answer.stderr
    return site


def python(cwd: Path, *args: str, site: Path | None = None) -> subprocess.CompletedProcess:
    environ = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    if site is not None:
        environ["PYTHONPATH"] = str(site)
    if args[:2] in (("-m", "pip"), ("-m", "ruff")):
        return subprocess.run(
            [sys.executable, *args], cwd=cwd, env=environ, capture_output=True, text=True
        )
    return warm_python.run(cwd, args, environ, timeout=900)


def test_names_are_converted(folder):
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == {
        "README.md",
        "pyproject.toml",
        "settings.yml",
        "bold_critic/__init__.py",
        "bold_critic/critic.py",
        "bold_critic/py.typed",
        "tests/test_bold_critic.py",
    }
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == NAME
    assert project["entry-points"] == {"sb3_scale": {NAME: "bold_critic"}}
    assert "class BoldCritic(" in (folder / "bold_critic" / "critic.py").read_text()
    for path in files:
        assert "$" not in (folder / path).read_text(), path


def test_every_template_file_is_written():
    from sb3_scale.cli import new_plugin

    source = Path(new_plugin.__file__).parents[1] / "template"
    found = {path.relative_to(source).as_posix() for path in source.rglob("*.template")}
    assert found == {f"{origin}.template" for origin in new_plugin.TEMPLATES}


def test_ruff(folder):
    for command in (("format", "--check"), ("check",)):
        answer = python(folder, "-m", "ruff", *command, "--no-cache", ".")
        assert answer.returncode == 0, answer.stdout


@pytest.mark.slow
def test_mypy_strict(folder, tmp_path):
    answer = python(folder, "-m", "mypy", "--strict", "--cache-dir", str(tmp_path), ".")
    assert answer.returncode == 0, answer.stdout


def test_its_own_tests_pass(folder, site):
    answer = python(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", site=site)
    assert answer.returncode == 0, answer.stdout
    assert "4 passed" in answer.stdout


def test_it_is_listed_and_described(folder, site):
    listed = python(folder, "-m", "sb3_scale", "plugins", site=site).stdout
    assert "critic: bold-critic" in listed
    described = python(folder, "-m", "sb3_scale", "describe", f"critic:{NAME}", site=site).stdout
    assert "mean_i Q_i(s, a) - pessimism * std_i Q_i(s, a)" in described
    assert "how many standard deviations to go below the mean" in described


def test_its_settings_make_a_policy(folder, site):
    settings = yaml.safe_load((folder / "settings.yml").read_text())
    assert settings.keys() == {"dog-run", "Pendulum-v1"}
    for task in settings.values():
        code = (
            "from sb3_scale import SAC; "
            f"model = SAC('ScalePolicy', 'Pendulum-v1', policy_kwargs={task['policy_kwargs']}); "
            "print(type(model.policy.critic).__name__)"
        )
        answer = python(folder, "-c", code, site=site)
        assert answer.stdout == "BoldCritic\n", answer.stderr


def test_trains_saves_and_loads_by_name(site, tmp_path):
    answer = python(tmp_path, "-c", TRAIN, site=site)
    assert answer.stdout == "BoldCritic 300 200\n", answer.stderr
    assert python(tmp_path, "-c", LOAD, site=site).stdout == "BoldCritic\n"
    without = python(tmp_path, "-c", LOAD)
    assert without.returncode == 1
    sentence = without.stderr.strip().splitlines()[-1]
    assert f"there is no critic '{NAME}'" in sentence
    assert f"pip install {NAME}" in sentence
