"""Zeta noise: how long it is kept, for whom, and what a checkpoint has of it."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import SMALL, assert_same, check_actor_trains, make
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.parts import build
from sb3_scale.testing import check_component

ACTOR = {"name": "zeta-noise", "network": SMALL}
APART = {"name": "local", "acting_device": "cpu"}


def noise_of(actor: Any, features: torch.Tensor) -> np.ndarray:
    """The eps of the next actions."""
    with torch.no_grad():
        mean, log_std = actor.distribution(features)
        u = torch.atanh(actor.explore(features).double())
        found: np.ndarray = ((u - mean) / log_std.exp()).numpy()
    return found


def test_lengths_have_the_truncated_zeta_distribution() -> None:
    """Of 400 environments for 200 decisions, each length as often as n^-2 over their sum."""
    torch.manual_seed(0)
    actor, features = build("actor", ACTOR, 3, 2), torch.zeros(400, 3)
    with torch.no_grad():
        actor.output.bias[..., 2:] = -1.0
    seen = np.stack([noise_of(actor, features) for _ in range(200)])
    lengths = []
    for row in range(400):
        new, other = (np.flatnonzero(np.diff(seen[:, row, action])) + 1 for action in (0, 1))
        assert np.array_equal(new, other)
        # Of those that began late, only the short ones are seen to end.
        lengths.append(np.diff(new)[new[:-1] < 200 - 16])
    counts = np.bincount(np.concatenate(lengths), minlength=17)
    assert len(counts) == 17
    numbers = np.arange(1, 17)
    wanted = numbers**-2.0 / (numbers**-2.0).sum()
    np.testing.assert_allclose(counts[1:] / counts.sum(), wanted, atol=0.005)
    assert seen.std() == pytest.approx(1, abs=0.02)
    assert abs(seen.mean()) < 0.02


def test_each_environment_keeps_its_own() -> None:
    torch.manual_seed(0)
    actor = build("actor", {**ACTOR, "exponent": 0.0}, 3, 2)
    seen = np.stack([noise_of(actor, torch.randn(5, 3)) for _ in range(40)])
    changes = np.abs(np.diff(seen[..., 0], axis=0)) > 1e-2
    assert changes.any(axis=0).all()
    assert len({tuple(column) for column in changes.T}) == 5


def test_kept_for_one_decision_it_is_the_squashed_gaussian() -> None:
    torch.manual_seed(0)
    actor = build("actor", {**ACTOR, "max_repeat": 1}, 3, 2)
    seen = np.stack([noise_of(actor, torch.zeros(3, 3)) for _ in range(30)])
    assert (np.abs(np.diff(seen, axis=0)) > 1e-6).all()


def test_losses_and_evaluation_leave_it_alone_and_draw_anew() -> None:
    torch.manual_seed(0)
    actor, features = build("actor", ACTOR, 3, 2), torch.zeros(4, 3)
    actor.explore(features)
    kept = actor.get_extra_state().clone()
    samples = torch.stack([actor(features) for _ in range(3)])
    assert len(samples[:, 0, 0].unique()) == 3
    assert not actor.action_log_prob(features)[0].equal(actor.action_log_prob(features)[0])
    assert actor(features, deterministic=True).equal(torch.tanh(actor.distribution(features)[0]))
    assert actor.get_extra_state().equal(kept)


def test_another_number_of_environments_begins_anew() -> None:
    actor = build("actor", ACTOR, 3, 2)
    for rows in (4, 1, 3):
        assert actor.explore(torch.zeros(rows, 3)).shape == (rows, 2)
        assert actor.get_extra_state().shape == (rows, 3)


@pytest.mark.parametrize("n_envs", [1, 3])
def test_only_decisions_of_the_training_use_it(n_envs: int) -> None:
    model = make(SAC, parts={"actor": ACTOR}, env=make_vec_env("Pendulum-v1", n_envs))
    model.learn(20)
    assert model.policy.actor.get_extra_state().numel() == 0
    model.learn(60, reset_num_timesteps=False)
    kept = model.policy.actor.get_extra_state().clone()
    assert kept.shape == (n_envs, 2)
    evaluate_policy(model, make_vec_env("Pendulum-v1", 2), 2, deterministic=False, warn=False)
    model.predict(np.zeros((5, 3), np.float32))
    assert model.policy.actor.get_extra_state().equal(kept)


@pytest.mark.parametrize("collector", ["local", APART], ids=["here", "on another device"])
def test_a_resumed_training_keeps_what_was_kept(tmp_path: Path, collector: Any) -> None:
    """Its next decision is that of the training that went on."""
    parts = {"actor": {**ACTOR, "exponent": 0.0}}
    model = make(SAC, parts=parts, env="Pendulum-v1", collector=collector).learn(45)
    model.save(tmp_path / "model.zip")
    for trust in (True, False):
        loaded = SAC.load(tmp_path / "model.zip", env=model.get_env(), device="cpu", trust=trust)
        ours, theirs = (each.policy.actor.get_extra_state() for each in (model, loaded))
        assert theirs.equal(ours)
        assert theirs.shape == (1, 2)
    actors = [model.policy.actor, loaded.policy.actor]
    followed = []
    for actor in actors:
        torch.manual_seed(1)
        followed.append([actor.explore(torch.zeros(1, 3)) for _ in range(30)])
    assert_same(*followed, "actions")
    assert_same(deepcopy(actors[0]).get_extra_state(), actors[0].get_extra_state(), "copy")


def test_a_copy_on_another_device_explores_too() -> None:
    model = make(
        SAC,
        parts={"actor": {**ACTOR, "exponent": 0.0}},
        collector=APART,
    )
    model.learn(45)
    copy = model.training.collector._acting._copy.actor
    assert copy.get_extra_state().shape == (1, 2)
    assert model.policy.actor.get_extra_state().equal(copy.get_extra_state())
    seen = np.ones((1, 3), np.float32)
    chosen = []
    for explore in (model.policy.explore, model.training.collector._acting.explore):
        model.policy.actor.set_extra_state(torch.tensor([[2.0, 5.0]]))
        chosen.append(explore(seen)[0])
        # What was kept for five decisions is kept for four more.
        assert model.policy.actor.get_extra_state().tolist() == [[2.0, 4.0]]
    np.testing.assert_array_equal(*chosen)


def test_it_goes_on_after_a_reset() -> None:
    model = make(SAC, parts={"actor": {**ACTOR, "exponent": 0.0}})
    model.learn(60, callback=build("callback", {"name": "reset", "interval": 40}))
    assert model._n_updates == 40
    assert model.policy.actor.get_extra_state().shape == (1, 2)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"max_repeat": 0}, "max_repeat is 0; allowed: from 1 to 10000"),
        ({"max_repeat": 10**9}, "max_repeat is 1000000000; allowed: from 1 to 10000"),
        ({"exponent": -1.0}, "exponent is -1.0; allowed: at least 0"),
        ({"max_repaet": 4}, "did you mean 'max_repeat'"),
    ],
)
def test_bad_parameters_get_one_sentence(params: dict[str, object], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError) as raised:
        build("actor", {"name": "zeta-noise", **params}, 4, 2)
    assert sentence in str(raised.value)


def test_trains_with_other_parts(tmp_path: Path) -> None:
    check_actor_trains(
        {**ACTOR, "constraint": "spectral", "network": {**SMALL, "depth": 3}}, tmp_path
    )


def test_keeps_the_contract() -> None:
    check_component("actor", "zeta-noise", {"max_repeat": 4})


def test_what_is_kept_moves_with_the_actor() -> None:
    actor = build("actor", ACTOR, 3, 2)
    actor.explore(torch.zeros(4, 3))
    assert actor.to("meta").get_extra_state().device.type == "meta"
