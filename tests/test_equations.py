"""Each equation against numpy, by hand: the bootstrap target, the losses, the step, the layers."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.distributions import SquashedDiagGaussianDistribution
from torch import nn

from sb3_scale import SAC, TD3
from sb3_scale.learning.batch import Batch, Step
from sb3_scale.learning.deterministic import DeterministicObjective
from sb3_scale.learning.update import MetricsLog
from sb3_scale.nn.actors import SquashedGaussianActor, log_tanh_slope
from sb3_scale.nn.critics import EnsembleCritic
from sb3_scale.nn.linear import EnsembleLinear, linear_layers
from sb3_scale.nn.losses import HuberLoss, MSELoss
from sb3_scale.nn.mlp import MLP
from sb3_scale.nn.norms import EnsembleLayerNorm, EnsembleRMSNorm
from sb3_scale.optimizers import adamw
from sb3_scale.protocols import PartConfig

SMALL = {"name": "mlp", "width": 16}
CLOSE = {"rtol": 1e-5, "atol": 1e-6}  # a few float32 roundings


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape).astype(np.float32))


def sac(**settings: Any) -> SAC:
    parts = {
        "actor": {"name": "squashed-gaussian", "network": SMALL},
        "critic": {"name": "ensemble", "network": SMALL, **settings.pop("critic", {})},
        "loss": settings.pop("loss", None),
    }
    return SAC(
        "ScalePolicy",
        "Pendulum-v1",
        buffer_size=100,
        device="cpu",
        seed=0,
        policy_kwargs=parts,
        **settings,
    )


def batch(size: int = 8) -> Step:
    not_done = (random(size, 1, seed=4) > 0).float()
    given = Batch(
        observations=random(size, 3),
        next_observations=random(size, 3, seed=1),
        actions=torch.tanh(random(size, 1, seed=2)),
        rewards=random(size, 1, seed=3),
        discounts=not_done * (0.5 + 0.5 * random(size, 1, seed=5).sigmoid()),
    )
    return Step(given, features=random(size, 3), next_features=random(size, 3, seed=1))


def bootstrap(model: SAC, outputs: torch.Tensor, entropy_term: torch.Tensor | None) -> torch.Tensor:
    data = batch().batch
    return model.policy.critic.bootstrap(outputs, data.rewards, data.discounts, entropy_term)


def critic_loss(model: SAC, outputs: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return model.training.objective.critic_loss(model.policy, outputs, target)


@pytest.mark.parametrize("reduction", ["min", "mean"])
@pytest.mark.parametrize("with_penalty", [True, False])
def test_bootstrap_target(reduction: str, with_penalty: bool) -> None:
    model = sac(critic={"n_critics": 3, "reduction": reduction})
    data = batch().batch
    next_outputs, penalty = random(3, 8, 1, seed=6), random(8, 1, seed=7)
    found = bootstrap(model, next_outputs, penalty if with_penalty else None)
    expected = np.empty((8, 1))
    for i in range(8):
        values = [float(next_outputs[k, i, 0]) for k in range(3)]
        value = min(values) if reduction == "min" else sum(values) / 3
        value -= float(penalty[i]) if with_penalty else 0.0
        expected[i] = float(data.rewards[i]) + float(data.discounts[i]) * value
    assert 0 < (data.discounts == 0).sum() < 8
    np.testing.assert_allclose(found.numpy(), expected, **CLOSE)


def test_own_target_of_each_critic() -> None:
    """Two critics with ``none`` learn as two algorithms with one critic each would."""
    model = sac(critic={"n_critics": 2, "reduction": "none"})
    next_outputs, penalty = random(2, 8, 1, seed=6), random(8, 1, seed=7)
    found = bootstrap(model, next_outputs, penalty)
    alone = sac(critic={"n_critics": 1})
    expected = [bootstrap(alone, next_outputs[i : i + 1], penalty).numpy() for i in range(2)]
    np.testing.assert_allclose(found.numpy(), np.stack(expected), **CLOSE)
    outputs = random(2, 8, 1, seed=8)
    by_hand = sum(((outputs[i].numpy() - expected[i]) ** 2).mean() for i in range(2)) / 2
    assert critic_loss(model, outputs, found).item() == pytest.approx(by_hand, rel=1e-5)


def log_prob_by_hand(actor: SquashedGaussianActor, features: torch.Tensor, seed: int) -> Any:
    """Actions and log-probabilities of tanh(u), u ~ N(mean, sigma), in float64."""
    mean, log_std = (part.detach().numpy().astype(float) for part in actor.distribution(features))
    torch.manual_seed(seed)
    u = mean + np.exp(log_std) * torch.randn(mean.shape).numpy()
    density = np.exp(-((u - mean) ** 2) / (2 * np.exp(2 * log_std)))
    density /= np.sqrt(2 * np.pi) * np.exp(log_std)
    slope = 1 / np.cosh(u) ** 2
    return np.tanh(u), (np.log(density) - np.log(slope)).sum(1, keepdims=True)


def test_log_probability_of_the_squashed_gaussian() -> None:
    torch.manual_seed(1)
    actor = SquashedGaussianActor(5, 3, network=SMALL)
    features = random(64, 5)
    expected = log_prob_by_hand(actor, features, seed=2)
    torch.manual_seed(2)
    for found, by_hand in zip(actor.action_log_prob(features), expected, strict=True):
        np.testing.assert_allclose(found.detach().numpy(), by_hand, **CLOSE)
    torch.manual_seed(2)
    np.testing.assert_allclose(actor(features).detach().numpy(), expected[0], **CLOSE)


@pytest.mark.parametrize("u", [0.0, 0.5, -3.0, 9.0, 20.0, -20.0, 60.0])
def test_tanh_correction_and_its_gradient(u: float) -> None:
    leaf = torch.tensor(u, requires_grad=True)
    found = log_tanh_slope(leaf)
    found.backward()
    # 1 - tanh(u)^2 = 4 e^(-2|u|) / (1 + e^(-2|u|))^2, in float64.
    by_hand = 2 * (np.log(2) - np.abs(u) - np.log1p(np.exp(-2 * np.abs(u))))
    np.testing.assert_allclose(found.item(), by_hand, **CLOSE)
    np.testing.assert_allclose(leaf.grad.item(), -2 * np.tanh(u), **CLOSE)


def test_log_probability_is_that_of_stable_baselines3_far_from_saturation() -> None:
    torch.manual_seed(1)
    actor = SquashedGaussianActor(5, 3, network=SMALL)
    mean, log_std = actor.distribution(random(64, 5))
    theirs = SquashedDiagGaussianDistribution(3).proba_distribution(mean, log_std)
    torch.manual_seed(2)
    wanted = theirs.log_prob(theirs.sample())
    torch.manual_seed(2)
    actions, found = actor.action_log_prob(random(64, 5))
    slope = 1 - actions.square()
    assert slope.min() < 0.01
    # Their 1e-6 adds 1e-6 / slope at most, per action; 2e-6 is for rounding.
    excess = (found[:, 0] - wanted).detach()
    assert (excess.abs() <= (1e-6 / slope).sum(dim=1) + 2e-6).all()


@pytest.mark.parametrize("bound", ["clamp", "tanh"])
def test_log_sigma_stays_within_its_bounds(bound: str) -> None:
    actor = SquashedGaussianActor(2, 1, {"name": "mlp", "depth": 0}, None, -5.0, 2.0, bound)
    actor.output.weight.data = torch.eye(2).unsqueeze(0)
    actor.output.bias.data.zero_()
    raw = np.linspace(-9, 9, 40, dtype=np.float32)
    by_hand = np.clip(raw, -5, 2) if bound == "clamp" else -5 + 7 * (np.tanh(raw) + 1) / 2
    _, log_std = actor.distribution(torch.from_numpy(raw).unsqueeze(1).expand(-1, 2))
    np.testing.assert_allclose(log_std.detach().numpy()[:, 0], by_hand, **CLOSE)


@pytest.mark.parametrize("reduction", ["min", "mean", "none"])
def test_losses_of_sac_actor_and_temperature(reduction: str) -> None:
    model = sac(ent_coef="auto_0.3", target_entropy=-0.7, critic={"reduction": reduction})
    data, metrics = batch(), MetricsLog()
    actions, log_prob = log_prob_by_hand(model.policy.actor, data.features, seed=4)
    with torch.no_grad():
        q = model.policy.critic(data.features, torch.from_numpy(actions).float()).numpy()
    q = q.min(0) if reduction == "min" else q.mean(0)
    torch.manual_seed(4)
    loss, found = model.training.objective.actor_loss(model.policy, data)
    np.testing.assert_allclose(loss.item(), (0.3 * log_prob - q).mean(), rtol=1e-4)

    metrics.add(found)
    model.learners.ent_coef.step(data, metrics, None)
    gradient = -(log_prob - 0.7).mean()
    expected = {"ent_coef": 0.3, "ent_coef_loss": math.log(0.3) * gradient}
    assert metrics.means() == pytest.approx(expected, rel=1e-4)
    # The first step of Adam is the learning rate against the sign of the gradient.
    step = model.log_ent_coef.item() - math.log(0.3)
    assert step == pytest.approx(-3e-4 * np.sign(gradient), rel=1e-2)


def test_loss_of_td3_actor_takes_the_first_critic() -> None:
    parts = {
        "actor": {"name": "deterministic", "network": SMALL},
        "critic": {"name": "ensemble", "n_critics": 3, "network": SMALL},
    }
    model = TD3("ScalePolicy", "Pendulum-v1", buffer_size=10, policy_kwargs=parts, device="cpu")
    data = batch()
    with torch.no_grad():
        values = model.policy.critic(data.features, model.policy.actor(data.features))
    loss, _ = model.training.objective.actor_loss(model.policy, data)
    assert loss.item() == pytest.approx(-values[0].numpy().mean(), rel=1e-5)
    assert not np.allclose(values[0], values[1])


def test_smoothed_next_action_of_td3_stays_in_bounds() -> None:
    parts = {"actor": {"name": "deterministic", "network": SMALL}}
    model = TD3("ScalePolicy", "Pendulum-v1", buffer_size=10, policy_kwargs=parts, device="cpu")
    objective = DeterministicObjective(0.4, 0.3)
    data = batch(200)
    model.policy.actor_target.output.weight.data *= 20
    actions = model.policy.actor_target(data.next_features).detach().numpy()
    torch.manual_seed(3)
    noise = torch.empty(200, 1).normal_(0, 0.4).numpy()
    noisy = actions + np.clip(noise, -0.3, 0.3)
    assert (np.abs(noise) > 0.3).any()
    assert (np.abs(noisy) > 1).any()
    torch.manual_seed(3)
    found, entropy_term = objective.next_actions(model.policy, data.next_features)
    np.testing.assert_allclose(found.detach().numpy(), np.clip(noisy, -1, 1), **CLOSE)
    assert entropy_term is None


def test_logged_values_are_means_over_the_gradient_steps() -> None:
    metrics = MetricsLog()
    assert metrics.means() == {}
    for value in (1.0, 2.0, 6.0):
        metrics.add({"critic_loss": torch.tensor(value)})
    metrics.add({"actor_loss": torch.tensor(5.0, requires_grad=True)})
    assert metrics.means() == {"critic_loss": 3.0, "actor_loss": 5.0}


@pytest.mark.parametrize("per_member", [True, False])
def test_critic_losses(per_member: bool) -> None:
    outputs, target = 3 * random(4, 16, 1), random(16, 1, seed=1)
    if per_member:
        target = random(4, 16, 1, seed=1)
    gap = np.abs((outputs - target).numpy())
    mse = sum((gap[i] ** 2).mean() for i in range(4))
    assert MSELoss()(outputs, target).item() == pytest.approx(mse, rel=1e-5)
    huber = np.where(gap < 0.5, 0.5 * gap**2, 0.5 * (gap - 0.25))
    assert (gap < 0.5).any()
    expected = sum(huber[i].mean() for i in range(4))
    assert HuberLoss(0.5)(outputs, target).item() == pytest.approx(expected, rel=1e-5)
    assert critic_loss(sac(), outputs, target).item() == pytest.approx(mse / 2, rel=1e-5)


@pytest.mark.parametrize("loss", ["huber", {"name": "quantile", "kappa": 0.5}])
def test_soft_actor_critic_halves_the_squared_error_alone(loss: PartConfig) -> None:
    outputs, target = 3 * random(2, 16, 1), random(16, 1, seed=1)
    model = sac(loss=loss)
    assert critic_loss(model, outputs, target) == model.policy.loss(outputs, target)


def test_targets_follow_by_tau() -> None:
    model = sac(tau=0.25)
    critic, target = model.policy.critic, model.policy.critic_target
    for parameter in critic.parameters():
        parameter.data.add_(1.0)
    before = [
        (o.detach().clone(), t.clone())
        for o, t in zip(critic.parameters(), target.parameters(), strict=True)
    ]
    for each in model.training.update.targets:
        each.follow(model.tau)
    for (online, old), new in zip(before, target.parameters(), strict=True):
        np.testing.assert_allclose(new.numpy(), 0.25 * online.numpy() + 0.75 * old.numpy(), **CLOSE)
    for (online, _), now in zip(before, critic.parameters(), strict=True):
        assert torch.equal(online, now)


def test_gradient_clipping_scales_the_whole_gradient() -> None:
    free, clipped = sac(max_grad_norm=None), sac(max_grad_norm=0.01)
    gradients = []
    for model in (free, clipped):
        data, learner = batch(), model.learners.critic
        loss = model.policy.critic(data.features, data.batch.actions).sum()
        learner.loss = lambda _, loss=loss: (loss, {})
        learner.step(data, MetricsLog(), model.max_grad_norm)
        gradients.append([p.grad.numpy() for p in model.policy.critic.parameters()])
    norm = math.sqrt(sum((g**2).sum() for g in gradients[0]))
    assert norm > 1
    for whole, short in zip(*gradients, strict=True):
        np.testing.assert_allclose(short, whole * 0.01 / norm, rtol=1e-3, atol=1e-9)


def test_adamw_decays_each_group_at_its_own_rate() -> None:
    torch.manual_seed(0)
    critic = EnsembleCritic(3, 1, network={"name": "mlp", "width": 8, "depth": 2, "norm": "layer"})
    decay = {"hidden": 0.1, "output": 0.3}
    lr, (b1, b2), eps = 0.01, (0.8, 0.95), 1e-6
    optimizer = adamw(critic, lr, [b1, b2], eps, decay)
    hidden = {id(layer.weight) for layer in linear_layers(critic)[:-1]}
    rates = {
        name: 0.1 if id(p) in hidden else 0.3 if p is critic.output.weight else 0.0
        for name, p in critic.named_parameters()
    }
    assert sorted(rates.values()) == [0.0] * 7 + [0.1] * 2 + [0.3]
    before = {name: p.detach().numpy().copy() for name, p in critic.named_parameters()}
    critic(random(5, 3), random(5, 1)).square().sum().backward()
    optimizer.step()
    for name, parameter in critic.named_parameters():
        g = parameter.grad.numpy()
        m, v = (1 - b1) * g / (1 - b1), (1 - b2) * g**2 / (1 - b2)
        expected = before[name] * (1 - lr * rates[name]) - lr * m / (np.sqrt(v) + eps)
        np.testing.assert_allclose(parameter.detach().numpy(), expected, rtol=1e-4, atol=1e-6)


def test_ensemble_linear_is_a_linear_layer_per_member() -> None:
    torch.manual_seed(0)
    ensemble, x = EnsembleLinear(100, 50, 3), random(3, 7, 100)
    output = ensemble(x)
    for member in range(3):
        plain = nn.Linear(100, 50)
        weight, bias = ensemble.weight.data[member].T, ensemble.bias.data[member, 0]
        # The same distribution at the start: uniform, with the same bound.
        for started, of_torch in ((weight, plain.weight.data), (bias, plain.bias.data)):
            assert started.abs().max() == pytest.approx(of_torch.abs().max().item(), rel=0.1)
            assert started.std() == pytest.approx(of_torch.std().item(), rel=0.25)
        plain.weight.data, plain.bias.data = weight, bias
        torch.testing.assert_close(output[member], plain(x[member]), **CLOSE)
    assert not torch.equal(ensemble.weight[0], ensemble.weight[1])


@pytest.mark.parametrize("affine", [True, False])
def test_layer_norm(affine: bool) -> None:
    norm, x = EnsembleLayerNorm(6, 3, eps=0.1, affine=affine), 2 * random(3, 7, 6) + 1
    scale, shift = np.ones((3, 1, 6)), np.zeros((3, 1, 6))
    if affine:
        norm.weight.data, norm.bias.data = random(3, 1, 6, seed=1), random(3, 1, 6, seed=2)
        scale, shift = norm.weight.detach().numpy(), norm.bias.detach().numpy()
    data = x.numpy()
    centred = data - data.mean(-1, keepdims=True)
    expected = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 0.1) * scale + shift
    np.testing.assert_allclose(norm(x).detach().numpy(), expected, **CLOSE)
    assert len(list(norm.parameters())) == (2 if affine else 0)


def test_ensemble_linear_without_bias() -> None:
    torch.manual_seed(0)
    linear, x = EnsembleLinear(4, 3, 2, bias=False), random(2, 7, 4)
    assert [name for name, _ in linear.named_parameters()] == ["weight"]
    expected = np.einsum("mbi,mio->mbo", x.numpy(), linear.weight.detach().numpy())
    np.testing.assert_allclose(linear(x).detach().numpy(), expected, **CLOSE)
    network = MLP(4, 2, width=8, depth=3, norm="batch", bias=False)
    assert sum(p.numel() for p in network.parameters()) == 2 * (4 * 8 + 2 * 64 + 3 * 16)


def test_rms_norm() -> None:
    norm, x = EnsembleRMSNorm(6, 3, eps=0.1), 2 * random(3, 7, 6) + 1
    norm.weight.data = random(3, 1, 6, seed=1)
    data = x.numpy().astype(float)
    root = np.sqrt((data * data).sum(axis=-1) / 6 + 0.1)
    expected = data / root[..., None] * norm.weight.detach().numpy()
    np.testing.assert_allclose(norm(x).detach().numpy(), expected, **CLOSE)


def test_heads_of_mean_and_log_sigma() -> None:
    """Each is a network of its own on what both read."""
    torch.manual_seed(1)
    actor = SquashedGaussianActor(5, 3, SMALL, heads={"name": "mlp", "width": 4, "depth": 1})
    features = random(6, 5)
    hidden = actor.network(features[None])[0].detach().numpy()
    weights = [p.detach().numpy() for p in (*actor.heads.parameters(), *actor.output.parameters())]
    outputs = []
    for w1, b1, w2, b2 in zip(*weights, strict=True):
        outputs.append(np.maximum(hidden @ w1 + b1, 0) @ w2 + b2)
    mean, log_std = actor.distribution(features)
    np.testing.assert_allclose(mean.detach().numpy(), outputs[0], **CLOSE)
    np.testing.assert_allclose(log_std.detach().numpy(), outputs[1], **CLOSE)
    assert actor.action_log_prob(features)[0].shape == (6, 3)


def test_orthogonal_output_alone() -> None:
    critic = EnsembleCritic(3, 1, network=SMALL, init="orthogonal-output", output_gain=3.0)
    first, *_, output = linear_layers(critic)
    for weight in output.weight.detach().numpy():
        np.testing.assert_allclose(weight.T @ weight, [[9]], rtol=1e-5)
    assert not output.bias.any()
    assert first.bias.all()


def test_orthogonal_initialisation() -> None:
    critic = EnsembleCritic(3, 1, network={"name": "mlp", "width": 16}, init="orthogonal")
    for layer in linear_layers(critic):
        gain = 1.0 if layer is critic.output else math.sqrt(2)
        for weight in layer.weight.detach().numpy():
            tall = weight if weight.shape[0] >= weight.shape[1] else weight.T
            product = tall.T @ tall
            np.testing.assert_allclose(product, gain**2 * np.eye(len(product)), atol=1e-5)
        assert not layer.bias.any()


def test_value_and_reduction_of_several_outputs() -> None:
    outputs = random(3, 5, 7)
    value = {"name": "quantiles", "n_quantiles": 7}
    for reduction, by_hand in (("min", np.min), ("mean", np.mean)):
        critic = EnsembleCritic(3, 1, 3, SMALL, reduction=reduction, value=value)
        found = critic.judge(outputs).numpy()
        means = outputs.numpy().mean(-1, keepdims=True)
        np.testing.assert_allclose(found, by_hand(means, axis=0), **CLOSE)
    assert critic(random(5, 3), random(5, 1)).shape == (3, 5, 7)
