"""
A stranger's way: wheels in a fresh virtual environment, a plugin of their own, and its loss.

One environment serves all tests of this file, because making it takes longer than all of them.
"""

import subprocess
import sys
import venv
from pathlib import Path

import pytest
from zoo_commands import FAST, SMALL, refused
from zoo_commands import run_process as run

ROOT = Path(__file__).parents[1]
DISTRIBUTIONS = [
    ROOT,
    ROOT / "envs",
    *(each.parent for each in ROOT.glob("plugins/*/pyproject.toml")),
]


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
    import zipfile

    names = {
        wheel.name.split("-")[0]: zipfile.ZipFile(wheel).namelist() for wheel in wheels.iterdir()
    }
    assert set(names) == {
        "sb3_scale",
        "sb3_scale_asymmetric",
        "sb3_scale_crossq",
        "sb3_scale_densenet",
        "sb3_scale_envs",
        "sb3_scale_spectral",
    }
    assert {"sb3_scale/zoo_configs/sac.yml", "sb3_scale/py.typed"} <= set(names["sb3_scale"])
    assert {"custom_envs.py", "sb3_scale_envs/py.typed"} <= set(names["sb3_scale_envs"])
    for listed in names.values():
        assert not [name for name in listed if "tests/" in name and "template" not in name]


def test_main_command_outside_the_repository(fresh: Path, tmp_path: Path) -> None:
    train = "-m rl_zoo3.train --algo sac --env dog-run -n 60".split()
    done = run(tmp_path, *train, *FAST, *SMALL, python=str(fresh))
    assert done.returncode == 0, done.stderr
    assert "site-packages/sb3_scale/zoo_configs/sac.yml" in done.stdout
    enjoy = "-m rl_zoo3.enjoy --algo sac --env dog-run -n 20 --no-render -f logs".split()
    done = run(tmp_path, *enjoy, python=str(fresh))
    assert done.returncode == 0, done.stderr


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
