"""The dual actor against torch.distributions and BRO's equations."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gymnasium
import numpy as np
import pytest
import torch
from small_models import assert_same
from stable_baselines3.common.logger import configure
from torch.distributions import Normal, kl_divergence

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.generators import set_random_states
from sb3_scale.learning.batch import Batch, Step
from sb3_scale.learning.update import Learner, MetricsLog
from sb3_scale.parts import build
from sb3_scale.testing import check_component

NETWORK = {"name": "bronet", "width": 16, "depth": 1}
FEATURES, ACTIONS = 4, 3


def make_actor(**params: Any) -> Any:
    torch.manual_seed(0)
    actor = build("actor", {"name": "optimistic", "network": NETWORK, **params}, FEATURES, ACTIONS)
    # A shift that is not near zero.
    torch.nn.init.normal_(actor.shift.output.weight, std=0.2)
    return actor


def make_model(**settings: Any) -> Any:
    parts = {
        "actor": {"name": "optimistic", "network": NETWORK},
        "critic": {
            "name": "ensemble",
            "network": NETWORK,
            "value": {"name": "quantiles", "n_quantiles": 5},
            "reduction": "mean",
        },
        "loss": "quantile",
        "optimizer": {"name": "adamw", "weight_decay": 1e-4},
    }
    defaults = {"learning_starts": 20, "batch_size": 16, "buffer_size": 500, "seed": 0}
    return SAC(
        "ScalePolicy", "Pendulum-v1", device="cpu", policy_kwargs=parts, **{**defaults, **settings}
    )


def test_acts_by_the_exploring_policy_and_learns_by_the_other() -> None:
    actor = make_actor(std_multiplier=0.5)
    features = torch.randn(1, FEATURES)
    mean, log_std = actor.policy.distribution(features)
    assert actor(features, deterministic=True).equal(torch.tanh(mean))
    with torch.no_grad():
        shift = actor.shift(features, mean)
        before_tanh = torch.atanh(actor(features.expand(100_000, -1)).double())
    finite = before_tanh.isfinite().all(dim=1)
    assert finite.double().mean() > 0.99
    assert shift.abs().min() > 0.05
    std = 0.5 * log_std.exp()
    torch.testing.assert_close(
        before_tanh[finite].mean(dim=0), (mean + shift)[0].double(), atol=0.02, rtol=0
    )
    torch.testing.assert_close(
        before_tanh[finite].std(dim=0), std[0].double(), atol=0.02, rtol=0.02
    )
    # The policy that SAC trains is that of squashed-gaussian.
    torch.manual_seed(1)
    sampled = actor.action_log_prob(features.expand(8, -1))
    torch.manual_seed(1)
    wanted = actor.policy.action_log_prob(features.expand(8, -1))
    assert sampled[0].equal(wanted[0])
    assert sampled[1].equal(wanted[1])


def test_begins_near_the_policy() -> None:
    torch.manual_seed(0)
    actor = build("actor", {"name": "optimistic", "network": NETWORK}, FEATURES, ACTIONS)
    features = torch.randn(100, FEATURES)
    mean, _ = actor.policy.distribution(features)
    assert actor.shift(features, mean).abs().max() < 0.2
    assert not actor.shift.output.bias.any()
    assert actor.multipliers.optimism().item() == pytest.approx(1.0)
    assert actor.multipliers.kl_weight().item() == pytest.approx(0.25)


@pytest.mark.parametrize("n_critics", [1, 2, 4])
@pytest.mark.parametrize("n_outputs", [1, 5])
def test_one_step_is_that_of_the_equations(n_critics: int, n_outputs: int) -> None:
    """
    The released code has two critics and ``|Q_1 - Q_2| / 2``, and the whole formula of the
    divergence with the multiplier divided out of the standard deviation.
    """
    actor = make_actor(std_multiplier=0.6, optimism=0.7, kl_weight=0.4, kl_target=0.02)
    value = {"name": "quantiles", "n_quantiles": n_outputs}
    config = {"name": "ensemble", "network": NETWORK, "n_critics": n_critics, "value": value}
    critic = build("critic", config, FEATURES, ACTIONS)
    features = torch.randn(9, FEATURES)
    trained = list(actor.shift.parameters())
    exploration, _ = learners_of(actor, critic)

    torch.manual_seed(3)
    metrics, gradients = exploration.gradients(step_with(features))
    found = dict(zip(exploration.parameters, gradients, strict=True))
    assert {parameter for parameter in found if found[parameter] is not None} == set(trained)

    torch.manual_seed(3)
    noise = torch.randn(9, ACTIONS)
    mean, log_std = (tensor.detach() for tensor in actor.policy.distribution(features))
    policy = Normal(mean, log_std.exp())
    shifted = mean + actor.shift(features, mean)
    exploring = Normal(shifted, 0.6 * log_std.exp())
    outputs = critic(features, torch.tanh(exploring.mean + exploring.stddev * noise))
    if n_critics == 2:
        deviation = (outputs[0] - outputs[1]).abs() / 2
    else:
        deviation = outputs.sub(outputs.mean(dim=0)).square().mean(dim=0).add(1e-20).sqrt()
    kl = kl_divergence(Normal(exploring.mean, exploring.stddev / 0.6), policy).sum(dim=1).mean()
    loss = 0.4 * kl - (outputs.mean(dim=0) + 0.7 * deviation).mean()
    torch.testing.assert_close(metrics["exploration_loss"], loss)
    torch.testing.assert_close(metrics["exploration_kl"], kl / ACTIONS)
    for parameter, wanted in zip(trained, torch.autograd.grad(loss, trained), strict=True):
        torch.testing.assert_close(found[parameter], wanted, rtol=1e-4, atol=1e-6)


def learners_of(actor: Any, critic: torch.nn.Module, lr: float = 3e-3) -> list[Learner]:
    """Exploration and multipliers, in a policy of these two."""
    actor.optimizer = torch.optim.Adam(actor.parameters(), lr)
    policy: Any = SimpleNamespace(
        actor=actor, critic=critic, critic_outputs=critic, actor_inputs=lambda features: features
    )
    return list(actor.learners(policy))


def step_with(features: torch.Tensor) -> Step:
    """A gradient step in which actor and critic have had their turn."""
    none = torch.zeros(len(features), 1)
    return Step(Batch(none, none, none, none, none), features)


def multiplier_by_numpy(start: float, gradients: list[float]) -> float:
    """Adam with betas 0.5 and 0.999 on the argument of tanh; the range is exp(-10) to exp(7.5)."""
    p, m, v = math.atanh((math.log(start) + 10) / 8.75 - 1), 0.0, 0.0
    for t, outer in enumerate(gradients, 1):
        value = math.exp(-10 + 8.75 * (1 + math.tanh(p)))
        gradient = outer * value * 8.75 * (1 - math.tanh(p) ** 2)
        m, v = 0.5 * m + 0.5 * gradient, 0.999 * v + 0.001 * gradient**2
        p -= 0.01 * (m / (1 - 0.5**t)) / (math.sqrt(v / (1 - 0.999**t)) + 1e-8)
    return math.exp(-10 + 8.75 * (1 + math.tanh(p)))


@pytest.mark.parametrize("kl_target", [1e-4, 10.0])
def test_multipliers_follow_the_divergence(kl_target: float) -> None:
    actor = make_actor(kl_target=kl_target, multiplier_learning_rate=0.01)
    critic = build("critic", {"name": "ensemble", "network": NETWORK}, FEATURES, ACTIONS)
    exploration, multipliers = learners_of(actor, critic)
    excess = []
    for _ in range(4):
        step = step_with(torch.randn(9, FEATURES))
        metrics, _ = exploration.gradients(step)
        multipliers.step(step, MetricsLog(), None)
        excess.append(metrics["exploration_kl"].item() - kl_target)
    too_far = excess[0] > 0
    assert too_far == (kl_target < 1)
    assert (actor.multipliers.optimism().item() < 1.0) == too_far
    assert (actor.multipliers.kl_weight().item() > 0.25) == too_far
    assert actor.multipliers.optimism().item() == pytest.approx(
        multiplier_by_numpy(1.0, excess), rel=1e-4
    )
    wanted = multiplier_by_numpy(0.25, [-value for value in excess])
    assert actor.multipliers.kl_weight().item() == pytest.approx(wanted, rel=1e-4)


def test_exploration_raises_the_upper_bound() -> None:
    actor = make_actor(kl_weight=1e-4, multiplier_learning_rate=0.0)
    critic = build("critic", {"name": "ensemble", "network": NETWORK}, FEATURES, ACTIONS)
    features = torch.randn(64, FEATURES)
    learners = learners_of(actor, critic, lr=3e-3)

    def bound() -> float:
        with torch.no_grad():
            mean, _ = actor.policy.distribution(features)
            outputs = critic(features, torch.tanh(mean + actor.shift(features, mean)))
            return (outputs.mean(dim=0) + outputs.std(dim=0, correction=0)).mean().item()

    before = bound()
    for _ in range(100):
        step = step_with(features)
        for learner in learners:
            learner.step(step, MetricsLog(), None)
    assert bound() > before + 0.1


def test_both_policies_step_once_per_update() -> None:
    model = make_model(policy_delay=2)
    model.learn(60)
    assert model._n_updates == 40
    actor, optimizer = model.policy.actor, model.policy.actor.optimizer
    stepped = {id(par): int(state["step"]) for par, state in optimizer.state.items()}
    networks = [*actor.policy.parameters(), *actor.shift.parameters()]
    assert stepped == {id(parameter): 20 for parameter in networks}
    assert [int(s["step"]) for s in actor.multiplier_optimizer.state.values()] == [20, 20]


def test_predict_explores_unless_it_is_deterministic() -> None:
    model = make_model()
    torch.nn.init.normal_(model.policy.actor.shift.output.bias, 30.0)
    observation = model.observation_space.sample()
    deterministic, _ = model.predict(observation, deterministic=True)
    exploring, _ = model.predict(observation)
    assert abs(deterministic[0]) < 1.9
    assert exploring[0] == pytest.approx(2.0)


def test_resumes_with_the_state_of_all_optimisers(tmp_path: Path) -> None:
    model = make_model()
    model.learn(50)
    model.save(tmp_path / "model")
    loaded = SAC.load(tmp_path / "model", env=gymnasium.make("Pendulum-v1"), device="cpu")
    loaded.replay_buffer = model.replay_buffer
    states = loaded.random_states
    for each in (model, loaded):
        each.set_logger(configure(None, []))
        set_random_states(states, each.action_space)
        each.train(5, 16)
    names, _ = model._get_torch_save_params()
    assert "learners.multipliers.optimizer" in names
    assert_same(loaded.get_parameters(), model.get_parameters(), "parameters")
    assert model.get_parameters()["learners.multipliers.optimizer"]["state"]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"std_multiplier": 0.0}, "std_multiplier is 0.0; allowed: above 0, and finite"),
        ({"kl_target": -1.0}, "kl_target is -1.0; allowed: above 0, and finite"),
        ({"optimism": 0.0}, "optimism is 0.0; allowed: between 4.6e-5 and 1800"),
        ({"kl_weight": 1e4}, "kl_weight is 10000.0; allowed: between 4.6e-5 and 1800"),
        ({"exploration_network": "bronett"}, "did you mean 'bronet'"),
    ],
)
def test_bad_parameters_get_one_sentence(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError) as raised:
        make_actor(**params)
    assert sentence in str(raised.value)


def test_constraint_holds_in_both_networks() -> None:
    network = {"name": "mlp", "width": 8, "norm": "batch"}
    actor = make_actor(network=network, constraint="unit-norm")
    with torch.no_grad():
        for parameter in actor.parameters():
            parameter.mul_(3)
    actor.project_()
    for part in (actor.policy, actor.shift):
        for layer in part.network.linears:
            total = layer.weight.square().sum(dim=1) + layer.bias.square()[:, 0]
            np.testing.assert_allclose(total.detach(), 1, rtol=1e-5)


@pytest.mark.parametrize("params", [{}, {"constraint": "unit-norm", "network": NETWORK}])
def test_keeps_the_contract(params: dict[str, Any]) -> None:
    check_component("actor", "optimistic", params)
