"""The command sb3-scale landscape, and the loss that it evaluates."""

import os
import pickle
import shutil
import signal
import threading
import time
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pictures
import pytest
import torch
import yaml
from cli_commands import error, run
from PIL import Image
from small_models import make
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from strangers import Hidden, pickled, rewrite
from zoo_commands import run as run_python

from sb3_scale import SAC, TD3
from sb3_scale.cli import main
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.files import UnwritableError
from sb3_scale.landscape import surface as surface_module
from sb3_scale.landscape.checkpoint import Problem, load_problem
from sb3_scale.landscape.directions import random_direction
from sb3_scale.landscape.pictures import draw, draw_interactive
from sb3_scale.landscape.surface import Surface
from sb3_scale.nn.linear import fold_scales, linear_layers
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
    fold_scales(critic)
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


def test_pieces_of_a_row_make_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, pieces = (Surface(problem(), 5, 0.7, seed=3) for _ in range(2))
    whole.evaluate(1)
    monkeypatch.setattr(surface_module, "COPIED", 1)
    pieces.evaluate(1)
    np.testing.assert_allclose(pieces.losses[1], whole.losses[1], rtol=1e-5)


def test_a_constraint_of_the_forward_pass_is_in_the_weights() -> None:
    torch.manual_seed(0)
    config = {"name": "ensemble", "constraint": "spectral", "network": {"name": "mlp", "depth": 3}}
    critic = build("critic", config, 3, 2)
    features, actions = torch.randn(9, 3), torch.rand(9, 2)
    before = critic(features, actions).detach()
    fold_scales(critic)
    torch.testing.assert_close(critic(features, actions).detach(), before)
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


def test_another_surface_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "surface.npz"
    given = problem()
    Surface(given, 5, 1.0, seed=0).save(path)
    for other in (Surface(given, 5, 1.0, seed=1), Surface(given, 5, 0.5, seed=0)):
        with pytest.raises(Sb3ScaleError, match="other weights, transitions or options; "):
            other.resume(path)
    path.write_text("no archive")
    with pytest.raises(Sb3ScaleError, match=r"surface.npz' cannot be read: "):
        Surface(given, 5, 1.0, seed=0).resume(path)


def trained(algorithm: Any, folder: Path) -> Any:
    """A model, and what RL-Zoo leaves of its training; a third of the transitions terminate."""
    folder.mkdir()
    env = Monitor(gymnasium.make("Pendulum-v1"), str(folder / "0"))
    model = make(algorithm, env, learning_starts=50, replay_buffer_class=ReplayBuffer)
    model.learn(250)
    model.replay_buffer.dones[::3] = 1
    model.replay_buffer.timeouts[:] = 0
    keep_run(model, "Pendulum-v1", folder)
    return model


def keep_run(model: Any, env_id: str, folder: Path) -> None:
    model.save(folder / f"{env_id}.zip")
    model.save_replay_buffer(folder / "replay_buffer.pkl")
    (folder / env_id).mkdir()
    arguments = {"algo": type(model).__name__.lower(), "env": env_id, "seed": 0}
    (folder / env_id / "args.yml").write_text(yaml.safe_dump(arguments))
    (folder / env_id / "config.yml").write_text("{}")


def forward(part: str, weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """Two hidden layers by hand, for each member."""
    for layer in ("network.linears.0", "network.linears.1"):
        x = torch.relu(x @ weights[f"{part}.{layer}.weight"] + weights[f"{part}.{layer}.bias"])
    return x @ weights[f"{part}.output.weight"] + weights[f"{part}.output.bias"]


def soft_action(
    weights: dict[str, torch.Tensor], following: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """SAC's action at the next state, and its log-probability."""
    mean, log_std = forward("actor", weights, following)[0].chunk(2, dim=-1)
    std = log_std.clamp(-20, 2).exp()
    u = mean + std * torch.randn(mean.shape)
    density = torch.distributions.Normal(mean, std).log_prob(u) - (1 - u.tanh() ** 2).log()
    return u.tanh(), density.sum(dim=-1, keepdim=True)


def smoothed_action(
    weights: dict[str, torch.Tensor], following: torch.Tensor
) -> tuple[torch.Tensor, float]:
    """TD3's action at the next state, whose probability does not count."""
    action = forward("actor_target", weights, following)[0].tanh()
    noise = torch.empty(action.shape).normal_(0, 0.2).clamp(-0.5, 0.5)
    return (action + noise).clamp(-1, 1), 0.0


@pytest.mark.parametrize(("algorithm", "act"), [(SAC, soft_action), (TD3, smoothed_action)])
def test_the_target_is_that_of_the_algorithm(algorithm: Any, act: Any, tmp_path: Path) -> None:
    model = trained(algorithm, tmp_path / "run")
    given = load_problem(tmp_path / "run", None, 100, seed=5)
    np.random.seed(5)
    torch.manual_seed(5)
    batch = model.replay_buffer.sample(100)
    weights = model.policy.state_dict()
    actions, log_prob = act(weights, batch.next_observations)
    following = torch.cat((batch.next_observations, actions), dim=1)
    smaller = forward("critic_target", weights, following).min(dim=0).values
    alpha = model.log_ent_coef.detach().exp() if algorithm is SAC else 0.0
    assert 20 < batch.dones.sum() < 50
    expected = batch.rewards + 0.99 * (1 - batch.dones) * (smaller - alpha * log_prob)
    torch.testing.assert_close(given.target, expected, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(given.actions, batch.actions)


@pytest.mark.parametrize("transitions", [5, 24])
def test_copies_of_a_transition_count_once(transitions: int, tmp_path: Path) -> None:
    env = Monitor(pictures.Pictures(), str(tmp_path / "0"))
    model = pictures.make(SAC, env).learn(40)
    keep_run(model, "Pictures-v0", tmp_path)
    given = load_problem(tmp_path, None, transitions, seed=5)
    assert given.features.shape[0] == given.actions.shape[0] == transitions
    assert given.target.shape[-2:] == (transitions, 1)
    with torch.no_grad():
        loss = given.loss(given.critic(given.features, given.actions), given.target)
    assert torch.isfinite(loss)


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


def test_transitions_of_an_interrupted_save(folder: Path, tmp_path: Path, capsys) -> None:
    cut = tmp_path / "cut"
    shutil.copytree(folder, cut)
    stored = cut / "replay_buffer.pkl"
    stored.write_bytes(stored.read_bytes()[: stored.stat().st_size // 2])
    assert f"replay buffer '{stored}' is damaged: " in error(capsys, "landscape", str(cut))


@pytest.mark.parametrize("name", ["replay_buffer.pkl", "*/vecnormalize.pkl", "*.zip"])
def test_a_run_of_a_stranger_runs_nothing(
    name: str, folder: Path, tmp_path: Path, capsys: Any
) -> None:
    foreign, mark = tmp_path / "foreign", tmp_path / "ran"
    shutil.copytree(folder, foreign)
    (path,) = foreign.glob(name)
    if path.suffix == ".zip":
        (source,) = folder.glob(name)
        rewrite(source, path, {"lr_schedule": pickled(Hidden(mark))})
    else:
        path.write_bytes(pickle.dumps(Hidden(mark)))
    assert str(path) in error(capsys, "landscape", str(foreign))
    assert not mark.exists()


def test_no_transition(folder: Path, tmp_path: Path, capsys) -> None:
    empty = tmp_path / "empty"
    shutil.copytree(folder, empty)
    model = SAC.load(next(empty.glob("dm_control*.zip")))
    model.load_replay_buffer(empty / "replay_buffer.pkl")
    model.replay_buffer.reset()
    model.save_replay_buffer(empty / "replay_buffer.pkl")
    told = error(capsys, "landscape", str(empty))
    assert told == (
        f"'{empty / 'replay_buffer.pkl'}' has no transitions, and the loss is one of them"
    )


def test_an_algorithm_that_is_gone(folder: Path, tmp_path: Path, capsys) -> None:
    gone = tmp_path / "gone"
    shutil.copytree(folder, gone)
    arguments = next(gone.glob("*/args.yml"))
    arguments.write_text("algo: tdd\nenv: dm_control/pendulum-swingup-v0\nseed: 1\n")
    told = error(capsys, "landscape", str(gone))
    assert told.startswith("there is no algorithm 'tdd'; allowed: ")


def test_an_interrupted_surface_goes_on(folder: Path, tmp_path: Path, capsys) -> None:
    def interrupt() -> None:
        while not (tmp_path / "long.npz").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    # A process of pytest-xdist ignores the signal.
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=interrupt).start()
    command = ["landscape", str(folder), "--points", "301", "--transitions", "8"]
    try:
        assert main([*command, "--output", str(tmp_path / "long")]) == 130
    finally:
        signal.signal(signal.SIGINT, previous)
    assert "the same command goes on with the rows that are missing" in capsys.readouterr().out
    with np.load(tmp_path / "long.npz") as data:
        assert 0 < np.isfinite(data["losses"]).all(axis=1).sum() < 301


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        (("--seed", "-1"), "seed is -1; allowed: 0 to 4294967295"),
        (("--points", "10"), "points is 10; allowed: odd numbers from 3"),
        (("--range", "0"), "range is 0.0; allowed: above 0, and finite"),
        (("--transitions", "0"), "transitions is 0; allowed: at least 1"),
        (("--model", "no.zip"), "there is no model 'no.zip'"),
    ],
)
def test_bad_options(folder: Path, capsys, option: tuple[str, str], sentence: str) -> None:
    assert error(capsys, "landscape", str(folder), *option) == sentence


def test_places_that_cannot_be_written_are_one_sentence(tmp_path: Path, capsys) -> None:
    trained(SAC, tmp_path / "run")
    (tmp_path / "file").write_text("")
    words = ["landscape", str(tmp_path / "run"), "--points", "3", "--transitions", "8"]
    told = error(capsys, *words, "--output", str(tmp_path / "file" / "x"))
    assert told == f"folder '{tmp_path / 'file'}' cannot be made: File exists"
    for ending in ("npz", "png", "html"):
        place = tmp_path / f"{ending}.{ending}"
        place.mkdir()
        assert error(capsys, *words, "--output", str(tmp_path / ending)) == (
            f"'{place}' cannot be written: it is a folder; allowed: a file"
        )
    at, losses = np.arange(3.0), np.ones((3, 3))
    for picture, path in ((draw, "/proc/x.png"), (draw_interactive, "/proc/x.html")):
        with pytest.raises(UnwritableError, match=f"'{path}' cannot be written: "):
            picture(at, losses, "a title", Path(path))


def test_a_checkpoint_sees_observations_by_its_own_statistics(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    checkpoint = folder / "rl_model_100_steps.zip"
    trained(SAC, folder).save(checkpoint)
    statistics = VecNormalize(DummyVecEnv([lambda: gymnasium.make("Pendulum-v1")]))
    for mean, path in ((0.5, "rl_model_vecnormalize_100_steps"), (1.5, "Pendulum-v1/vecnormalize")):
        statistics.obs_rms.mean[:] = mean
        statistics.save(str(folder / f"{path}.pkl"))
    own, at_the_end = (load_problem(folder, path, 50, seed=0) for path in (checkpoint, None))
    shift = own.features - at_the_end.features
    torch.testing.assert_close(shift, torch.ones_like(shift), rtol=0, atol=1e-3)


def test_a_model_of_normalised_observations_needs_its_statistics(tmp_path: Path) -> None:
    model = trained(SAC, tmp_path / "run")
    model.saw_normalized = True
    model.save(tmp_path / "run" / "Pendulum-v1.zip")
    with pytest.raises(Sb3ScaleError, match=r"/vecnormalize\.pkl, and the model learned"):
        load_problem(tmp_path / "run", None, 8, seed=0)
