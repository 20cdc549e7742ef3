"""Four packages of others: each short, none touching the core, trained by any algorithm by name."""

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from zoo_commands import run

from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale.parts import build
from sb3_scale.plugins import manager
from sb3_scale.testing import check_component

FOLDER = Path(__file__).parent / "third_party_packages"
PACKAGES = {
    "acme-symlog": ("value", "symlog-two-hot"),
    "acme-tqc": ("reduction", "acme-tqc"),
    "acme-redq": ("reduction", "acme-redq"),
    "acme-soft-min": ("critic", "acme-soft-min"),
}
SHORT = {"learning_starts": 30, "buffer_size": 200, "batch_size": 16, "seed": 0, "device": "cpu"}


@pytest.fixture(autouse=True)
def offered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What an installation by pip would offer."""
    for package in PACKAGES:
        monkeypatch.syspath_prepend(FOLDER / package)
        module = importlib.import_module(package.replace("-", "_"))
        assert manager().register(module, package).status == "active"
    yield
    for package in PACKAGES:
        manager().unregister(package)


def settings(package: str) -> dict:
    return yaml.safe_load((FOLDER / package / "settings.yml").read_text())["Pendulum-v1"]


def test_the_folder_has_these_packages_and_each_is_short() -> None:
    assert {path.name for path in FOLDER.iterdir()} == PACKAGES.keys()
    for package in PACKAGES:
        lines = [
            line
            for path in (FOLDER / package).rglob("*.py")
            for line in path.read_text().splitlines()
        ]
        assert len(lines) <= 60, (package, len(lines))


@pytest.mark.parametrize("package", PACKAGES)
def test_keeps_the_contract_of_its_kind(package: str) -> None:
    check_component(*PACKAGES[package])


@pytest.mark.parametrize("algorithm", [SAC, TD3])
@pytest.mark.parametrize("package", PACKAGES)
def test_trains_saves_and_loads(package: str, algorithm: type, tmp_path: Path) -> None:
    parts = settings(package)["policy_kwargs"]
    model = algorithm("ScalePolicy", "Pendulum-v1", policy_kwargs=parts, **SHORT).learn(60)
    assert model._n_updates == 30
    model.save(tmp_path / "model.zip")
    loaded = algorithm.load(tmp_path / "model.zip", device="cpu")
    observation = np.ones((4, 3), np.float32)
    expected, _ = model.predict(observation, deterministic=True)
    assert np.array_equal(loaded.predict(observation, deterministic=True)[0], expected)
    outputs = torch.randn_like(model.policy.critic_outputs(torch.ones(2, 3), torch.ones(2, 1)))
    assert torch.equal(loaded.policy.critic.mean(outputs), model.policy.critic.mean(outputs))


@pytest.mark.parametrize("package", PACKAGES)
def test_a_checkpoint_names_the_package_that_is_missing(package: str, tmp_path: Path) -> None:
    parts = settings(package)["policy_kwargs"]
    SAC("ScalePolicy", "Pendulum-v1", policy_kwargs=parts, **SHORT).save(tmp_path / "model.zip")
    manager().unregister(package)
    with pytest.raises(Sb3ScaleError, match=f"there is no .* '{PACKAGES[package][1]}'"):
        SAC.load(tmp_path / "model.zip", device="cpu")


def test_two_hot_shares_between_neighbours_that_lie_unevenly() -> None:
    value = build("value", {"name": "symlog-two-hot", "n_atoms": 5, "limit": 2.0})
    atoms = np.sign(np.linspace(-2, 2, 5)) * np.expm1(np.abs(np.linspace(-2, 2, 5)))
    np.testing.assert_allclose(value.atoms, atoms, rtol=1e-6)
    rewards = torch.tensor([[0.5], [3.0], [99.0]])
    target = value.bootstrap(torch.full((3, 5), 0.2), rewards, torch.zeros(3, 1), None).numpy()
    expected = np.zeros((3, 5))
    expected[0, 2:4] = 1 - 0.5 / atoms[3], 0.5 / atoms[3]
    share = (3.0 - atoms[3]) / (atoms[4] - atoms[3])
    expected[1, 3:] = 1 - share, share
    expected[2, 4] = 1
    np.testing.assert_allclose(target, expected, atol=1e-6)


def test_tqc_drops_the_greatest_of_all_members() -> None:
    quantiles = np.random.default_rng(0).normal(size=(3, 4, 11)).astype(np.float32)
    reduction = build("reduction", {"name": "acme-tqc", "dropped": 2}, 3)
    found = reduction.target(torch.from_numpy(quantiles), torch.zeros(3, 4, 1)).numpy()
    expected = np.sort(quantiles.transpose(1, 0, 2).reshape(4, 33))[:, :27]
    np.testing.assert_array_equal(found, expected)


def test_redq_takes_the_least_of_a_pair() -> None:
    values = np.random.default_rng(0).normal(size=(5, 4, 1)).astype(np.float32)
    reduction = build("reduction", "acme-redq", 5)
    pairs = {(i, j) for i in range(5) for j in range(i)}
    least = {pair: np.minimum(*values[list(pair)]) for pair in pairs}
    tensor, found = torch.from_numpy(values), set()
    for _ in range(200):
        target = reduction.target(tensor, tensor).numpy()
        found |= {pair for pair, expected in least.items() if np.array_equal(target, expected)}
    assert found == pairs


def test_soft_minimum_is_a_weighted_mean() -> None:
    values = np.random.default_rng(0).normal(size=(3, 4, 1)).astype(np.float32)
    critic = build("critic", {"name": "acme-soft-min", "n_critics": 3, "temperature": 0.5}, 3, 1)
    rewards, discounts, entropy = (torch.rand(4, 1) for _ in range(3))
    found = critic.bootstrap(torch.from_numpy(values), rewards, discounts, entropy).numpy()
    weights = np.exp(-values / 0.5)
    mixture = (weights * values).sum(0) / weights.sum(0)
    expected = rewards.numpy() + discounts.numpy() * (mixture - entropy.numpy())
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("algo", ["sac", "td3"])
@pytest.mark.parametrize("package", PACKAGES)
def test_is_named_in_yaml(
    package: str, algo: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RL-Zoo's command in this process."""
    zoo = pytest.importorskip("rl_zoo3.train")
    options = f"--algo {algo} --env Pendulum-v1 --eval-freq -1 --seed 1 -f logs --conf-file"
    conf = FOLDER / package / "settings.yml"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train.py", *options.split(), str(conf)])
    zoo.train()
    model = {"sac": SAC, "td3": TD3}[algo].load(
        tmp_path / "logs" / algo / "Pendulum-v1_1" / "Pendulum-v1.zip", device="cpu"
    )
    part = model.policy.critic
    kind = PACKAGES[package][0]
    found = part if kind == "critic" else getattr(part, kind)
    assert type(found).__module__.startswith(package.replace("-", "_"))
    assert model._n_updates > 0


@pytest.mark.slow
def test_installed_by_pip_in_a_place_of_its_own(tmp_path: Path) -> None:
    """Each is found by its entry point alone, and trains by a real command of RL-Zoo."""
    site = tmp_path / "site"
    pip = ["-m", "pip", "install", "--no-deps", "--no-build-isolation", "--quiet", "--target"]
    folders = [str(FOLDER / package) for package in PACKAGES]
    done = subprocess.run(
        [sys.executable, *pip, str(site), *folders], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    for package, algo in zip(PACKAGES, ("sac", "td3", "td3", "sac"), strict=True):
        command = (
            f"-m rl_zoo3.train --algo {algo} --env Pendulum-v1 --eval-freq -1 -n 80 --conf-file"
        )
        conf = str(FOLDER / package / "settings.yml")
        answer = run(tmp_path, *command.split(), conf, PYTHONPATH=os.fspath(site))
        assert answer.returncode == 0, answer.stderr
        folder = tmp_path / "logs" / algo
        assert list(folder.rglob("Pendulum-v1.zip")), answer.stdout
