"""The command sb3-scale landscape, and the loss that it evaluates."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from cli_commands import error, run
from PIL import Image
from zoo_commands import run as run_python

from sb3_scale.landscape.checkpoint import Problem, _without_scales, load_problem
from sb3_scale.landscape.directions import random_direction
from sb3_scale.landscape.surface import Surface
from sb3_scale.nn.linear import linear_layers
from sb3_scale.parts import build

TASK = {
    "env_wrapper": "gymnasium.wrappers.FlattenObservation",
    "n_timesteps": 300,
    "policy": "ScalePolicy",
    "learning_starts": 100,
    "batch_size": 16,
    "buffer_size": 1000,
    "normalize": {"norm_obs": True, "norm_reward": False},
    "policy_kwargs": {"critic": {"name": "ensemble", "network": {"name": "mlp", "width": 8}}},
}


def problem(network: Any = "mlp", constraint: Any = None, n_critics: int = 2) -> Problem:
    torch.manual_seed(0)
    config = {"name": "ensemble", "n_critics": n_critics, "constraint": constraint}
    critic = build("critic", {**config, "network": network}, 3, 2)
    with torch.no_grad():
        _without_scales(critic)
    features, actions = torch.randn(300, 3), torch.rand(300, 2)
    return Problem(critic, features, actions, torch.randn(300, 1), build("loss", "mse"), "a run")


NETWORKS = {
    "norm": {"name": "mlp", "width": 6, "depth": 2, "norm": "layer"},
    "batch norm": {"name": "mlp", "width": 6, "depth": 2, "norm": "batch"},
    "densenet": {"name": "densenet", "width": 6},
}


@pytest.mark.parametrize("name", NETWORKS)
def test_each_point_is_the_loss_with_moved_weights(name: str) -> None:
    given = problem(NETWORKS[name])
    surface = Surface(given, 5, 0.7, seed=3)
    for row in (0, 2, 3):
        surface.evaluate(row)
    start = {key: weight.detach().clone() for key, weight in given.critic.named_parameters()}
    for row, column in ((0, 0), (2, 2), (3, 1)):
        y, x = surface.at[row], surface.at[column]
        with torch.no_grad():
            for key, parameter in given.critic.named_parameters():
                parameter.copy_(start[key] + x * surface.first[key] + y * surface.second[key])
            outputs = given.critic(given.features, given.actions)
        # Sums over critics, means over transitions.
        error = (outputs.double() - given.target.double()).numpy()
        expected = (error**2).mean(axis=(1, 2)).sum()
        assert surface.losses[row, column] == pytest.approx(expected, rel=1e-4)
    assert np.isnan(surface.losses[1]).all()


def test_a_constraint_of_the_forward_pass_is_in_the_weights() -> None:
    torch.manual_seed(0)
    config = {"name": "ensemble", "constraint": "spectral", "network": {"name": "mlp", "depth": 3}}
    critic = build("critic", config, 3, 2)
    features, actions = torch.randn(9, 3), torch.rand(9, 2)
    before = critic(features, actions).detach()
    with torch.no_grad():
        torch.testing.assert_close(_without_scales(critic)(features, actions), before)
    assert all(layer.scale is None for layer in linear_layers(critic))


def test_filters_have_the_norms_of_the_network() -> None:
    critic = problem(NETWORKS["norm"]).critic
    generator = torch.Generator().manual_seed(1)
    direction = random_direction(critic, generator)
    moved = 0
    for name, parameter in critic.named_parameters():
        weight, change = parameter.detach().numpy(), direction[name].numpy()
        if ("linears" in name and name.endswith("weight")) or name == "output.weight":
            moved += 1
            for member in range(2):
                for output in range(weight.shape[2]):
                    norms = [np.linalg.norm(each[member, :, output]) for each in (weight, change)]
                    assert norms[0] == pytest.approx(norms[1], rel=1e-4)
        else:
            assert not change.any()
    assert moved == 3


def test_directions_come_from_the_seed_alone() -> None:
    given = problem()
    one, same, other = (Surface(given, 3, 1.0, seed) for seed in (0, 0, 1))
    assert torch.equal(one.first["output.weight"], same.first["output.weight"])
    assert not torch.equal(one.first["output.weight"], other.first["output.weight"])
    assert not torch.equal(one.first["output.weight"], one.second["output.weight"])


def test_goes_on_with_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "surface.npz"
    given = problem()
    first = Surface(given, 5, 1.0, seed=0)
    first.evaluate(1)
    first.evaluate(4)
    first.save(path)
    again = Surface(given, 5, 1.0, seed=0)
    again.resume(path)
    assert again.missing() == [0, 2, 3]
    np.testing.assert_array_equal(again.losses, first.losses)
    for other in (Surface(given, 5, 1.0, seed=1), Surface(given, 5, 0.5, seed=0)):
        other.resume(path)
        assert other.missing() == [0, 1, 2, 3, 4]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A real run of RL-Zoo with its replay buffer, of a task whose folder has another name."""
    path = tmp_path_factory.mktemp("landscape")
    (path / "settings.yml").write_text(yaml.safe_dump({"dm_control/pendulum-swingup-v0": TASK}))
    command = (
        "sb3_scale.zoo train --algo sac --env dm_control/pendulum-swingup-v0 -conf settings.yml "
        "--seed 1 --eval-freq -1 --save-replay-buffer -f logs --gym-packages shimmy"
    )
    done = run_python(path, "-m", *command.split())
    assert done.returncode == 0, done.stderr
    return path / "logs/sac/dm_control-pendulum-swingup-v0_1"


def test_the_middle_is_the_loss_of_the_trained_critic(folder: Path) -> None:
    given = load_problem(folder, None, 200, seed=0)
    surface = Surface(given, 3, 1.0, seed=0)
    surface.evaluate(1)
    with torch.no_grad():
        outputs = given.critic(given.features, given.actions)
        error = (outputs - given.target).numpy()
    # SAC's loss has a half of each squared error.
    assert surface.losses[1, 1] == pytest.approx(0.5 * (error**2).mean(axis=1).sum(), rel=1e-4)
    # Observations as the critic was trained on them: normalised.
    assert abs(given.features.mean()) < 0.5
    assert 0.5 < given.features.std() < 2


def test_command(folder: Path) -> None:
    done = run("landscape", str(folder), "--points", "5", "--transitions", "64")
    assert done.returncode == 0, done.stderr
    assert "5 of 5 rows of 5" in done.stdout
    with np.load(folder / "landscape.npz") as data:
        assert data["losses"].shape == (5, 5)
        assert np.isfinite(data["losses"]).all()
    with Image.open(folder / "landscape.png") as picture:
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 10
    page = (folder / "landscape.html").read_text().replace("\\u002f", "/")
    assert "sac on dm_control/pendulum-swingup-v0, seed 1, 300 decisions" in page
    assert 'src="http' not in page
    again = run("landscape", str(folder), "--points", "5", "--transitions", "64")
    assert "0 of 5 rows of 5" in again.stdout


def test_a_checkpoint_without_transitions(folder: Path, tmp_path: Path, capsys) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(folder, bare)
    (bare / "replay_buffer.pkl").unlink()
    told = error(capsys, "landscape", str(bare))
    assert "has no replay_buffer.pkl" in told
    assert told.endswith("train with --save-replay-buffer")


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (("--points", "10"), "points is 10; allowed: odd numbers from 3"),
        (("--range", "0"), "range is 0.0; allowed: above 0, and finite"),
        (("--transitions", "0"), "transitions is 0; allowed: at least 1"),
        (("--model", "no.zip"), "there is no model 'no.zip'"),
    ],
)
def test_bad_options(folder: Path, capsys, option: tuple[str, str], sentence: str) -> None:
    assert error(capsys, "landscape", str(folder), *option) == sentence
