"""The variational actor's bound against torch.distributions and quadrature over the latent."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import check_actor_trains
from torch import nn
from torch.distributions import Normal, TanhTransform, TransformedDistribution

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.learning.batch import Batch, Step
from sb3_scale.parts import build
from sb3_scale.testing import check_component
from sb3_scale_asymmetric.variational import VariationalActor

SMALL = {"name": "mlp", "width": 16, "activation": "silu"}
LINEAR = {"name": "mlp", "depth": 0}
FEATURES = 4


def make(action_dim: int = 3, latent_dim: int = 8, **params: Any) -> VariationalActor:
    torch.manual_seed(0)
    settings = {"network": SMALL, **params}
    return VariationalActor(FEATURES, action_dim, latent_dim=latent_dim, **settings)


def normal(network: Any, *inputs: torch.Tensor) -> Normal:
    mean, log_std = network.distribution(torch.cat(inputs, dim=-1))
    return Normal(mean, log_std.exp())


def squashed(gaussian: Normal) -> TransformedDistribution:
    return TransformedDistribution(gaussian, TanhTransform(cache_size=1))


@pytest.mark.parametrize("latent_dim", [1, 3, 40])
def test_bound_is_that_of_the_thesis(latent_dim: int) -> None:
    actor = make(3, latent_dim).double()
    features = torch.randn(9, FEATURES, dtype=torch.float64)
    torch.manual_seed(1)
    actions, found = actor.action_log_prob(features)

    torch.manual_seed(1)
    pi_2 = normal(actor.latent, features)
    z = pi_2.mean + pi_2.stddev * torch.randn(9, latent_dim, dtype=torch.float64)
    gaussian = normal(actor.policy, features, z)
    u = gaussian.mean + gaussian.stddev * torch.randn(9, 3, dtype=torch.float64)
    torch.testing.assert_close(torch.tanh(u), actions)
    q_3 = normal(actor.posterior, features, actions)
    wanted = (
        squashed(gaussian).log_prob(actions).sum(dim=1)
        + pi_2.log_prob(z).sum(dim=1)
        - q_3.log_prob(z).sum(dim=1)
    )
    torch.testing.assert_close(found[:, 0], wanted, rtol=1e-8, atol=1e-8)
    weights = list(actor.parameters())
    gradients = [
        torch.autograd.grad(each.sum(), weights, retain_graph=True) for each in (found, wanted)
    ]
    for ours, theirs in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_bound_is_the_log_probability_plus_the_divergence_of_the_posterior() -> None:
    """log pi(a | s) and KL(pi(z | a, s), q_3) by the trapezoidal rule over a latent variable."""
    torch.manual_seed(0)
    actor = make(2, 1, log_std_min=-1.0).double()
    with torch.no_grad():
        # A posterior that knows little, and actions that tell something about z.
        actor.policy.output.weight.mul_(4)
    n_samples, n_points = 1000, 401
    features = torch.randn(1, FEATURES, dtype=torch.float64)
    with torch.no_grad():
        actions, bound = actor.action_log_prob(features.expand(n_samples, -1))
        pi_2, q_3 = (
            normal(actor.latent, features),
            normal(actor.posterior, features.expand(n_samples, -1), actions),
        )
        z = pi_2.mean + pi_2.stddev * torch.linspace(-8, 8, n_points, dtype=torch.float64)[:, None]
        pi_1 = squashed(normal(actor.policy, features.expand(n_points, -1), z))
        joint = pi_1.log_prob(actions[:, None]).sum(dim=2) + pi_2.log_prob(z)[:, 0]
        step = z[1] - z[0]
        log_pi = joint.logsumexp(dim=1) + step.log()
        weights = (joint - log_pi[:, None]).exp() * step
        posterior = joint - log_pi[:, None]
        divergence = (weights * (posterior - q_3.log_prob(z[:, 0]))).sum(dim=1)
    assert divergence.min() > 0
    excess = bound[:, 0] - log_pi
    error = (excess.std() / math.sqrt(n_samples)).item()
    assert excess.mean().item() > 5 * error, "no bound, or too few samples to tell"
    # Given an action, the mean excess over z is the divergence.
    residue = excess - divergence
    assert abs(residue.mean().item()) < 4 * residue.std().item() / math.sqrt(n_samples)


class Untanh(nn.Module):
    """A network whose features are the actions before tanh."""

    def __init__(self, action_dim: int) -> None:
        super().__init__()
        self.out_features = action_dim

    def forward(self, x: torch.Tensor, training: bool = False) -> torch.Tensor:
        return torch.atanh(x[..., -self.out_features :])


def test_bound_is_exact_where_q_is_the_posterior() -> None:
    """u = c z + d + t eps with z ~ N(m, r^2) is N(c m + d, c^2 r^2 + t^2), and so z given u."""
    actor = make(2, 2, network=LINEAR).double()
    m, r, c, d, t = np.array([[0.3, -0.5], [0.8, 1.4], [0.7, -1.2], [0.1, 0.2], [0.5, 0.3]])
    gain = c * r**2 / (c**2 * r**2 + t**2)
    spread = r * t / np.sqrt(c**2 * r**2 + t**2)

    def fill(network: Any, slope: np.ndarray, offset: np.ndarray, std: np.ndarray) -> None:
        n_inputs = network.output.in_features
        weight = np.zeros((n_inputs, 4))
        weight[n_inputs - 2 :, :2] = np.diag(slope)
        network.output.weight.data = torch.from_numpy(weight)[None]
        network.output.bias.data = torch.from_numpy(np.r_[offset, np.log(std)])[None, None]

    fill(actor.latent, 0 * m, m, r)
    fill(actor.policy, c, d, t)
    actor.posterior.network = Untanh(2)
    actor.posterior.output.in_features = 2
    fill(actor.posterior, gain, m - gain * (c * m + d), spread)

    features = torch.randn(500, FEATURES, dtype=torch.float64)
    with torch.no_grad():
        actions, bound = actor.action_log_prob(features)
    marginal = Normal(torch.from_numpy(c * m + d), torch.from_numpy(np.sqrt(c**2 * r**2 + t**2)))
    wanted = squashed(marginal).log_prob(actions).sum(dim=1)
    torch.testing.assert_close(bound[:, 0], wanted, rtol=1e-6, atol=1e-6)


def test_gradients_of_sacs_loss_reach_all_three_networks() -> None:
    parts = {
        "actor": {"name": "variational", "network": SMALL},
        "critic": {"name": "ensemble", "network": SMALL},
    }
    model = SAC("ScalePolicy", "Pendulum-v1", buffer_size=10, policy_kwargs=parts, device="cpu")
    rows, column = torch.randn(8, 3), torch.zeros(8, 1)
    step = Step(Batch(rows, rows, column, column, column), features=rows)
    _, gradients = model.learners.actor.gradients(step)
    named = dict(model.policy.actor.named_parameters())
    assert {name.partition(".")[0] for name in named} == {"latent", "policy", "posterior"}
    for name, gradient in zip(named, gradients, strict=True):
        assert gradient.isfinite().all(), name
        assert gradient.any(), name


def test_a_better_posterior_tightens_the_bound() -> None:
    actor = make(2, 2)
    features = torch.randn(64, FEATURES)
    optimizer = torch.optim.Adam(actor.posterior.parameters(), 1e-2)

    def bound() -> float:
        torch.manual_seed(5)
        with torch.no_grad():
            return actor.action_log_prob(features.repeat(50, 1))[1].mean().item()

    before = bound()
    for _ in range(100):
        optimizer.zero_grad()
        actor.action_log_prob(features)[1].mean().backward()
        optimizer.step()
    assert bound() < before - 0.05


def test_samples_follow_the_two_stages_and_the_mode_their_means() -> None:
    actor = make(3, 5)
    features = torch.randn(7, FEATURES)
    torch.manual_seed(1)
    sampled = actor(features)
    torch.manual_seed(1)
    assert sampled.equal(actor.action_log_prob(features)[0])
    mean_latent = normal(actor.latent, features).mean
    wanted = torch.tanh(normal(actor.policy, features, mean_latent).mean)
    assert actor(features, deterministic=True).equal(wanted)


def test_many_actions_and_saturation() -> None:
    actor = make(38, 16)
    with torch.no_grad():
        actor.policy.output.bias[..., :38] = 20.0
    actions, log_prob = actor.action_log_prob(torch.randn(256, FEATURES))
    assert actions.shape == (256, 38)
    assert log_prob.shape == (256, 1)
    assert (actions == 1).any()
    gradients = torch.autograd.grad(log_prob.mean(), list(actor.parameters()))
    assert log_prob.isfinite().all()
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_norms_and_constraint_of_all_networks() -> None:
    batch = {"name": "mlp", "width": 8, "norm": "batch"}
    actor = make(2, network=batch, constraint="unit-norm")
    features = torch.randn(16, FEATURES)
    norms = [part for name, part in actor.named_buffers() if name.endswith("running_mean")]
    assert len(norms) == 6
    actor.action_log_prob(features)
    assert not any(norm.any() for norm in norms)
    actor.action_log_prob(features, training=True)
    assert all(norm.any() for norm in norms)

    with torch.no_grad():
        for parameter in actor.parameters():
            parameter.mul_(3)
    actor.project_()
    for part in (actor.latent, actor.policy, actor.posterior):
        for layer in part.network.linears:
            total = layer.weight.square().sum(dim=1) + layer.bias.square()[:, 0]
            np.testing.assert_allclose(total.detach(), 1, rtol=1e-5)


def test_networks_of_their_own() -> None:
    actor = make(
        latent_network={"name": "mlp", "width": 5}, posterior_network={"name": "mlp", "width": 6}
    )
    widths = [part.network.out_features for part in (actor.policy, actor.latent, actor.posterior)]
    assert widths == [16, 5, 6]


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"latent_dim": 0}, "latent_dim is 0; allowed: at least 1"),
        (
            {"log_std_min": 3.0},
            "log_std_min is 3.0 and log_std_max is 2.0; allowed: finite numbers",
        ),
        ({"posterior_network": "mpl"}, "did you mean 'mlp'"),
        ({"latent_size": 2}, "did you mean 'latent_dim'"),
    ],
)
def test_bad_parameters_get_one_sentence(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError) as raised:
        build("actor", {"name": "variational", **params}, FEATURES, 2)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "params",
    [
        {"network": SMALL},
        {
            "network": SMALL,
            "latent_dim": 1,
            "init": "orthogonal",
            "log_std_bound": "tanh",
            "log_std_min": -2.0,
        },
        {"network": SMALL, "constraint": "spectral"},
    ],
)
def test_keeps_the_contract(params: dict[str, Any]) -> None:
    # The density that it estimates from samples, E[1 / p], is right for the bound as well:
    # the mean of q_3 / (pi_1 pi_2) over z and the actions of a box is the volume of the box.
    check_component("actor", "variational", params)


def test_trains_on_one_action(tmp_path: Path) -> None:
    check_actor_trains({"name": "variational", "network": SMALL, "latent_dim": 3}, tmp_path)


@pytest.mark.slow
def test_compiles_as_a_whole() -> None:
    actor = make()
    compiled = torch.compile(actor.action_log_prob, fullgraph=True)
    features = torch.randn(2000, FEATURES)
    with torch.no_grad():
        means = [act(features)[1].mean().item() for act in (compiled, actor.action_log_prob)]
        spread = actor.action_log_prob(features)[1].std().item()
    # The compiled noise is another.
    assert abs(means[0] - means[1]) < 5 * spread * math.sqrt(2 / 2000)
