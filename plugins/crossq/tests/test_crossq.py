"""
CrossQ with ScalePolicy does what sb3-contrib's CrossQ does.

Both start from the same weights, see the same batches and draw the same random numbers in the same
order. What differs is the order of float32 sums. sb3-contrib's actor gets the exact tanh correction
here.
"""

import inspect
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import sb3_contrib
import torch
from sb3_contrib.common.torch_layers import BatchRenorm1d
from small_models import ExactTanh, assert_same
from stable_baselines3.common.logger import Logger
from torch import Tensor, nn

from sb3_scale import Sb3ScaleError
from sb3_scale_crossq.algorithm import CrossQ

OBS, ACT, BATCH, STEPS = 11, 3, 64, 20
# Measured over all cases with this seed: after 20 updates tensors differ by at most 4e-7 and logged
# values by 7e-7 of their size; with other seeds a gradient near Adam's epsilon, or near a kink of
# ReLU, makes it 4e-5 at most. The biased variance moves them by 1e-1 and 6e-3, an eps of 1.1e-3 by
# 3e-3 and 2e-3, a warm-up that is one step longer by 1e-2 and 5e-1.
PARAMETERS = {"rtol": 1e-6, "atol": 1e-5}
LOGGED = {"rel": 2e-5, "abs": 2e-5}


class Spaces(gym.Env):
    """Gives the spaces; the replay buffers are filled by hand."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (OBS,))
    action_space = gym.spaces.Box(-1, 1, (ACT,))

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict]:
        return np.zeros(OBS, np.float32), {}


def fill(*models: Any) -> None:
    """Give all the same transitions, some of which end an episode."""
    random = np.random.default_rng(0)
    scale = random.uniform(0.1, 10, size=OBS)
    for _ in range(300):
        transition = (
            scale * random.normal(size=(1, OBS)),
            scale * random.normal(size=(1, OBS)),
            random.uniform(-1, 1, size=(1, ACT)),
            random.normal(size=1),
            random.random(1) < 0.2,
            [{}],
        )
        for model in models:
            model.replay_buffer.add(*transition)


def layer_pairs(ours: Any, theirs: Any) -> Iterator[tuple[str, nn.Module, nn.Module, int]]:
    """Our layer, theirs, and the member of ours that theirs is, for each layer of each network."""
    heads = theirs.actor
    networks = {"actor": [[*heads.latent_pi, nn.Linear(1, 1)]], "critic": theirs.critic.q_networks}
    output = networks["actor"][0][-1]
    output.weight = nn.Parameter(torch.cat((heads.mu.weight, heads.log_std.weight)))
    output.bias = nn.Parameter(torch.cat((heads.mu.bias, heads.log_std.bias)))
    for name, members in networks.items():
        part = getattr(ours.policy, name)
        norms = [part.network.input_norm, *part.network.norms]
        linears = [*part.network.linears, part.output]
        for member, layers in enumerate(members):
            their_norms = [layer for layer in layers if isinstance(layer, BatchRenorm1d)]
            their_linears = [layer for layer in layers if isinstance(layer, nn.Linear)]
            for kind, own, other in (
                ("norm", norms, their_norms),
                ("linear", linears, their_linears),
            ):
                for index, pair in enumerate(zip(own, other, strict=True)):
                    yield f"{name} {member}, {kind} {index}", *pair, member


def pairs(ours: Any, theirs: Any) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Our tensor and theirs in our layout: parameters, running statistics and pass counters."""
    for where, own, other, member in layer_pairs(ours, theirs):
        if isinstance(other, nn.Linear):
            yield f"{where}, weight", own.weight.data[member], other.weight.data.T
            yield f"{where}, bias", own.bias.data[member, 0], other.bias.data
        else:
            yield f"{where}, weight", own.weight.data[member, 0], other.scale.data
            yield f"{where}, bias", own.bias.data[member, 0], other.bias.data
            yield f"{where}, mean", own.running_mean[member, 0], other.ra_mean
            yield f"{where}, var", own.running_var[member, 0], other.ra_var
            yield f"{where}, steps", own.steps, other.steps


def make(
    parts: dict[str, Any] | None, policy_kwargs: dict[str, Any] | None, **settings: Any
) -> tuple[Any, Any]:
    """Ours and theirs with equal weights and buffers."""
    common = {"buffer_size": 1000, "device": "cpu", "seed": 0, **settings}
    ours = CrossQ("ScalePolicy", Spaces(), policy_kwargs=parts, **common)
    theirs = sb3_contrib.CrossQ("MlpPolicy", Spaces(), policy_kwargs=policy_kwargs, **common)
    theirs.actor.action_dist = ExactTanh(ACT)
    for _, own, other in pairs(ours, theirs):
        own.copy_(other)
    for part in ("actor", "critic"):
        count = sum(parameter.numel() for parameter in getattr(ours.policy, part).parameters())
        assert count == sum(p.numel() for p in getattr(theirs.policy, part).parameters())
    for model in (ours, theirs):
        model.set_logger(Logger(None, []))
    fill(ours, theirs)
    return ours, theirs


def small(norm: dict[str, Any] | None = None, critic: dict[str, Any] | None = None) -> Any:
    """The default parts, narrower, with further settings of their norms and of the critic."""
    parts = deepcopy(CrossQ.default_parts)
    for name, width in (("actor", 32), ("critic", 48)):
        parts[name]["network"]["width"] = width
        parts[name]["network"]["norm"].update(norm or {})
    parts["critic"].update(critic or {})
    return parts


NET = {"net_arch": {"pi": [32, 32], "qf": [48, 48]}}
CASES: dict[str, tuple[int, dict[str, Any]]] = {
    "defaults": (100_000, {}),
    "no-delay": (100_000, {"policy_delay": 1, "n_steps": 3}),
    "after-warmup": (3, {"target_entropy": -1.5, "gamma": 0.9}),
    "after-warmup-no-delay": (3, {"policy_delay": 1}),
    "fixed-temperature": (3, {"policy_delay": 2, "ent_coef": 0.2, "learning_rate": 3e-4}),
}


CHANGES: dict[str, dict[str, Any]] = {
    "after-warmup": {"target_entropy": -40.0},
    "fixed-temperature": {"ent_coef_tensor": torch.tensor(3.0)},
}
"""Attributes that a callback changes half-way."""


def train_both(ours: Any, theirs: Any, step: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Take one gradient step from the same state of the random generators, and read the logs."""
    logs = []
    for model in (ours, theirs):
        np.random.seed(step)
        torch.manual_seed(step)
        model.train(gradient_steps=1, batch_size=BATCH)
        logs.append(dict(model.logger.name_to_value))
        model.logger.dump()
    if step % ours.policy_delay != 0:
        # Ours reads the temperature where the actor's loss needs it, theirs in each step.
        logs[1].pop("train/ent_coef")
    return logs[0], logs[1]


@pytest.mark.parametrize(
    ("case", "changes"), [*((case, {}) for case in CASES), *CHANGES.items()], ids=str
)
def test_update_equals_sb3_contrib(case: str, changes: dict[str, Any]) -> None:
    warmup, settings = CASES[case]
    policy_kwargs = {**NET, "renorm_warmup_steps": warmup}
    ours, theirs = make(small({"warmup_steps": warmup}), policy_kwargs, **settings)
    start = {where: tensor.clone() for where, tensor, _ in pairs(ours, theirs)}
    for step in range(1, STEPS + 1):
        if step == STEPS // 2:
            vars(ours).update(changes)
            vars(theirs).update(changes)
        our_log, their_log = train_both(ours, theirs, step)
        for where, own, other in pairs(ours, theirs):
            torch.testing.assert_close(
                own,
                other,
                **PARAMETERS,
                msg=lambda text, where=where, step=step: f"step {step}, {where}: {text}",
            )
        if theirs.log_ent_coef is not None:
            torch.testing.assert_close(ours.log_ent_coef, theirs.log_ent_coef, **PARAMETERS)
        assert our_log == pytest.approx(their_log, **LOGGED)
        assert ("train/actor_loss" in their_log) == (step % ours.policy_delay == 0)
    moved = {where: (tensor - start[where]).abs().max() for where, tensor, _ in pairs(ours, theirs)}
    assert min(moved.values()) > ours.learning_rate, "too little training to compare"


def test_defaults_are_those_of_sb3_contrib() -> None:
    signature = inspect.signature(sb3_contrib.CrossQ.__init__).parameters
    own = inspect.signature(CrossQ.__init__).parameters
    # Each argument of theirs in its place, so that positional calls mean the same.
    assert list(own)[: len(signature)] == list(signature)
    assert all(own[name].default == signature[name].default for name in signature)

    ours, theirs = make(None, None)
    for part in ("actor", "critic"):
        (group,), (their_group,) = (
            getattr(model.policy, part).optimizer.param_groups for model in (ours, theirs)
        )
        for key in ("lr", "betas", "eps", "weight_decay"):
            assert group[key] == their_group[key], (part, key)
    for _, norm, their_norm, _ in layer_pairs(ours, theirs):
        if isinstance(their_norm, BatchRenorm1d):
            mine = (norm.momentum, norm.eps, norm.warmup_steps, norm.r_max, norm.d_max)
            other = (their_norm.momentum, their_norm.eps, their_norm.warmup_steps)
            assert mine == (*other, their_norm.rmax, their_norm.dmax)

    our_log, their_log = train_both(ours, theirs, 1)
    assert our_log == pytest.approx(their_log, **LOGGED)
    errors = torch.cat([(a - b).abs().flatten() for _, a, b in pairs(ours, theirs)])
    # Of two million parameters, some have a gradient so small that Adam divides rounding errors.
    assert (errors > PARAMETERS["atol"]).float().mean() < 1e-4


def learn(algorithm: Any) -> Any:
    options = {"buffer_size": 500, "batch_size": 32, "seed": 3, "device": "cpu"}
    model = algorithm("MlpPolicy", "Pendulum-v1", policy_kwargs=NET, **options)
    model.set_logger(Logger(None, []))
    return model.learn(160)


def test_stock_policy_runs_the_code_of_sb3_contrib(tmp_path: Path) -> None:
    theirs, ours = learn(sb3_contrib.CrossQ), learn(CrossQ)
    assert ours._n_updates == theirs._n_updates == 60
    assert_same(ours.get_parameters(), theirs.get_parameters(), "parameters")
    assert_same(ours.log_ent_coef, theirs.log_ent_coef, "log_ent_coef")
    theirs_log, ours_log = theirs.logger.name_to_value, ours.logger.name_to_value
    losses = [name for name in theirs_log if name.startswith("train/")]
    assert len(losses) == 6
    assert {name: ours_log[name] for name in losses} == {name: theirs_log[name] for name in losses}

    theirs.save(tmp_path / "theirs")
    loaded = CrossQ.load(tmp_path / "theirs", device="cpu")
    assert_same(loaded.get_parameters(), theirs.get_parameters(), "their checkpoint in ours")


def test_stock_policy_refuses_our_arguments() -> None:
    with pytest.raises(Sb3ScaleError, match=r"tau is 0\.1, and CrossQPolicy does not know it"):
        CrossQ("MlpPolicy", "Pendulum-v1", tau=0.1)


@pytest.mark.parametrize("target", [False, True])
def test_training_resumes_exactly(target: bool, tmp_path: Path) -> None:
    settings = {"buffer_size": 500, "batch_size": 16, "learning_starts": 20, "seed": 0}
    settings |= {"policy_kwargs": small(critic={"target": target}), "tau": 0.1}
    model = CrossQ("ScalePolicy", "Pendulum-v1", device="cpu", **settings).learn(60)
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "buffer")
    # An environment cannot be saved; the run that goes on gets a new one, too.
    model.set_env(gym.make("Pendulum-v1"))
    model.env.seed(0)
    model.learn(40, reset_num_timesteps=False)

    loaded = CrossQ.load(tmp_path / "model", gym.make("Pendulum-v1"), device="cpu")
    loaded.load_replay_buffer(tmp_path / "buffer")
    assert loaded.tau == 0.1
    loaded.learn(40, reset_num_timesteps=False)
    assert (loaded.num_timesteps, loaded._n_updates) == (100, 80)
    # The state of the policy holds the running statistics.
    assert_same(loaded.get_parameters(), model.get_parameters(), "parameters")
    assert_same(loaded.log_ent_coef, model.log_ent_coef, "log_ent_coef")


def test_target_follows_where_the_critic_keeps_one() -> None:
    parts = small(critic={"target": True})
    options = {"buffer_size": 1000, "device": "cpu", "tau": 0.1, "target_update_interval": 2}
    model = CrossQ("ScalePolicy", Spaces(), policy_kwargs=parts, **options)
    model.set_logger(Logger(None, []))
    fill(model)
    online, target = model.policy.critic, model.policy.critic_target
    before = {name: value.clone() for name, value in target.state_dict().items()}
    model.train(gradient_steps=1, batch_size=BATCH)
    assert_same(dict(target.state_dict()), before, "before it is due")
    model.train(gradient_steps=1, batch_size=BATCH)
    for name, value in online.state_dict().items():
        # Parameters move by tau, running statistics are copied.
        share = 1.0 if "running" in name or "steps" in name else 0.1
        expected = (1 - share) * before[name] + share * value
        torch.testing.assert_close(target.state_dict()[name], expected.to(value.dtype))
        assert not torch.equal(before[name], value), name
