"""sb3-scale new-plugin: the package that it writes passes its own checks and trains by name."""

import importlib
import inspect
import os
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import gymnasium
import pytest
import warm_python
import yaml

from sb3_scale.catalogue import describe
from sb3_scale.cli import main, new_plugin
from sb3_scale.collection.local import LocalCollector
from sb3_scale.docstrings import parameter_docs
from sb3_scale.nn.actors import SquashedGaussianActor
from sb3_scale.nn.critics import EnsembleCritic
from sb3_scale.nn.extractors import FlattenExtractor
from sb3_scale.nn.mlp import MLP
from sb3_scale.nn.norms import EnsembleLayerNorm
from sb3_scale.parts import load_target
from sb3_scale.plugins import manager
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.specs import KINDS
from sb3_scale.zoo import configs

NAME = "bold-critic"

TRAIN = f"""
from sb3_scale import SAC

critic = {{"name": "{NAME}", "n_critics": 3, "temperature": 0.5}}
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
    assert project["dependencies"] == ["sb3-scale>=0.1,<0.2", "torch"]
    assert "class BoldCritic(" in (folder / "bold_critic" / "critic.py").read_text()
    for path in files:
        assert "$" not in (folder / path).read_text(), path


@pytest.fixture(scope="module")
def packages(tmp_path_factory) -> Path:
    """A package of each kind."""
    parent = tmp_path_factory.mktemp("kinds")
    for kind in KINDS:
        new_plugin.write(f"new-{kind}", kind, parent)
    return parent


def test_every_template_file_is_written():
    source = Path(new_plugin.__file__).parents[1] / "template"
    found = {path.relative_to(source).as_posix() for path in source.rglob("*.template")}
    written = {f"{origin}.template" for kind in KINDS for origin in new_plugin._files(kind)}
    assert found == written


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_of_each_kind_passes_its_own_tests(kind, packages, monkeypatch):
    """Offered in this process as pip and its entry point would."""
    folder, module = packages / f"new-{kind}", f"new_{kind.replace('-', '_')}"
    monkeypatch.syspath_prepend(folder)
    plugin = manager().register(importlib.import_module(module), f"new-{kind}")
    try:
        assert (plugin.status, [spec.kind for spec in plugin.specs]) == ("active", [kind])
        path = folder / "tests" / f"test_{module}.py"
        tests = runpy.run_path(str(path))
        ran = [test() for name, test in tests.items() if name.startswith("test_")]
        assert ran
        assert describe(kind, f"new-{kind}").command.startswith("python -m rl_zoo3.train")
        _check_settings(kind, folder, monkeypatch)
    finally:
        manager().unregister(f"new-{kind}")
        gymnasium.registry.pop(f"new-{kind}", None)


def _check_settings(kind, folder, monkeypatch):
    """``settings.yml`` names the part, and RL-Zoo's reader takes it."""
    if kind in new_plugin.FILES:
        return
    text = (folder / "settings.yml").read_text()
    assert f"new-{kind}" in text
    algo = f"new-{kind}" if kind == "algorithm" else "sac"
    algorithm = load_target(manager().find("algorithm", algo)[1])
    for settings in yaml.safe_load(text).values():
        configs.check(algo, algorithm, settings)


@pytest.mark.parametrize(
    ("kind", "base"),
    [
        ("critic", EnsembleCritic),
        ("actor", SquashedGaussianActor),
        ("network", MLP),
        ("norm", EnsembleLayerNorm),
        ("replay-buffer", CompactReplayBuffer),
        ("collector", LocalCollector),
        ("extractor", FlattenExtractor),
    ],
)
def test_options_of_the_base_are_kept_with_their_texts(kind, base, packages, monkeypatch):
    monkeypatch.syspath_prepend(packages / f"new-{kind}")
    name = f"new-{kind}"
    manager().register(importlib.import_module(name.replace("-", "_")), name)
    try:
        shown = {each.name: each for each in describe(kind, name).parameters}
    finally:
        manager().unregister(name)
    texts, context = parameter_docs(base), KINDS[kind].context
    for option in list(inspect.signature(base.__init__).parameters)[1:]:
        if option not in context:
            assert shown[option].doc == texts[option], option


def test_kind_that_does_not_exist(capsys, tmp_path):
    assert main(["new-plugin", "mine", "--kind", "critik", "--path", str(tmp_path)]) == 1
    told = capsys.readouterr().err
    assert "there is no kind 'critik'; allowed: actor, algorithm, " in told
    assert told.strip().endswith("; did you mean 'critic'?")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", [("format", "--check"), ("check",)])
def test_ruff_of_all_kinds(command, packages):
    for kind in KINDS:
        answer = python(packages / f"new-{kind}", "-m", "ruff", *command, "--no-cache", ".")
        assert answer.returncode == 0, answer.stdout


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_mypy_strict_of_all_kinds(kind, packages, tmp_path):
    command = ("-m", "mypy", "--strict", "--cache-dir", str(tmp_path), ".")
    answer = python(packages / f"new-{kind}", *command)
    assert answer.returncode == 0, answer.stdout


@pytest.mark.slow
def test_its_own_tests_pass(folder, site):
    answer = python(folder, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests", site=site)
    assert answer.returncode == 0, answer.stdout
    assert "3 passed" in answer.stdout


def test_it_is_listed_and_described(folder, site):
    listed = python(folder, "-m", "sb3_scale", "plugins", site=site).stdout
    assert "critic: bold-critic" in listed
    described = python(folder, "-m", "sb3_scale", "describe", f"critic:{NAME}", site=site).stdout
    assert "sum_i w_i Z_i, w = softmax(-mean(Z) / temperature)" in described
    assert "near 0 for their minimum, large for their mean" in described
    assert "rule that the weights of all layers obey" in described


@pytest.mark.slow
def test_its_settings_make_a_policy(folder, site):
    settings = yaml.safe_load((folder / "settings.yml").read_text())
    assert settings.keys() == {"Pendulum-v1"}
    for task in settings.values():
        code = (
            "from sb3_scale import SAC; "
            f"model = SAC('ScalePolicy', 'Pendulum-v1', policy_kwargs={task['policy_kwargs']}); "
            "print(type(model.policy.critic).__name__)"
        )
        answer = python(folder, "-c", code, site=site)
        assert answer.stdout == "BoldCritic\n", answer.stderr


@pytest.mark.slow
def test_trains_saves_and_loads_by_name(site, tmp_path):
    answer = python(tmp_path, "-c", TRAIN, site=site)
    assert answer.stdout == "BoldCritic 300 200\n", answer.stderr
    assert python(tmp_path, "-c", LOAD, site=site).stdout == "BoldCritic\n"
    without = python(tmp_path, "-c", LOAD)
    assert without.returncode == 1
    sentence = without.stderr.strip().splitlines()[-1]
    assert f"there is no critic '{NAME}'" in sentence
    assert f"pip install {NAME}" in sentence
