"""The flow against Jacobians, quadrature, its own inverse and the squashed Gaussian."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import check_actor_trains
from torch.autograd.functional import jacobian
from torch.distributions import Normal

from sb3_scale import Sb3ScaleError
from sb3_scale.nn.actors import SquashedGaussianActor
from sb3_scale.nn.linear import linear_layers
from sb3_scale.parts import build
from sb3_scale.testing import check_component
from sb3_scale_asymmetric.flow import ConditionalFlowActor

SMALL = {"name": "mlp", "width": 16, "activation": "silu"}
FEATURES = 4


def make(action_dim: int, n_layers: int = 4, **params: Any) -> ConditionalFlowActor:
    """An actor whose coupling layers are far from the identity."""
    torch.manual_seed(0)
    settings = {"network": SMALL, "coupling_network": SMALL, **params}
    actor = ConditionalFlowActor(FEATURES, action_dim, n_layers=n_layers, **settings)
    for coupling in actor.flow.couplings:
        torch.nn.init.normal_(coupling.output.weight, std=0.3)
        torch.nn.init.normal_(coupling.output.bias, std=0.3)
    return actor


@pytest.mark.parametrize("n_layers", [1, 2, 5])
@pytest.mark.parametrize("action_dim", [1, 2, 3, 5])
def test_log_probability_is_the_change_of_variables(action_dim: int, n_layers: int) -> None:
    actor = make(action_dim, n_layers).double()
    features = torch.randn(6, FEATURES, dtype=torch.float64)
    torch.manual_seed(1)
    actions, found = actor.action_log_prob(features)
    torch.manual_seed(1)
    noise = torch.randn(6, action_dim, dtype=torch.float64)

    for row in range(6):
        state = features[row : row + 1]

        def act(eps: torch.Tensor, state: torch.Tensor = state) -> torch.Tensor:
            mean, log_std = actor.base.distribution(state)
            return torch.tanh(actor.flow(state, mean + log_std.exp() * eps)[0])[0]

        torch.testing.assert_close(act(noise[row]), actions[row])
        slope = torch.linalg.slogdet(jacobian(act, noise[row]))
        wanted = Normal(0.0, 1.0).log_prob(noise[row]).sum() - slope.logabsdet
        torch.testing.assert_close(found[row, 0], wanted, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(actor.log_prob(features, actions), found, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("n_layers", [1, 4])
@pytest.mark.parametrize("action_dim", [1, 2])
def test_density_integrates_to_one(action_dim: int, n_layers: int) -> None:
    """The sum over a grid of u with a = tanh(u), where da = du / cosh(u)^2."""
    actor = make(action_dim, n_layers).double()
    state = torch.randn(1, FEATURES, dtype=torch.float64)
    axis = np.linspace(-10, 10, 251)
    u = np.stack(np.meshgrid(*[axis] * action_dim), axis=-1).reshape(-1, action_dim)
    with torch.no_grad():
        features = state.expand(len(u), -1)
        density = actor.log_prob(features, torch.from_numpy(np.tanh(u))).exp().numpy()[:, 0]
        deviation = actor.base.distribution(state)[1].exp()
    volumes = np.prod((axis[1] - axis[0]) / np.cosh(u) ** 2, axis=1)
    assert deviation.min() > 0.5, "too narrow for the grid"
    assert (density * volumes).sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("action_dim", [1, 2, 3, 38])
def test_inverse(action_dim: int) -> None:
    actor = make(action_dim, n_layers=8)
    features, z = torch.randn(256, FEATURES), torch.randn(256, action_dim)
    u, log_det = actor.flow(features, z)
    back, same_log_det = actor.flow.inverse(features, u)
    assert (u - z).abs().mean() > 0.1
    torch.testing.assert_close(back, z, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(same_log_det, log_det, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("action_dim", [2, 5])
def test_each_layer_lets_one_half_pass(action_dim: int) -> None:
    half = action_dim // 2
    features, z = torch.randn(9, FEATURES), torch.randn(9, action_dim)
    one, two = make(action_dim, 1).flow, make(action_dim, 2).flow
    assert torch.equal(one(features, z)[0][:, :half], z[:, :half])
    assert ((one(features, z)[0] - z)[:, half:] != 0).all()
    assert ((two(features, z)[0] - z) != 0).all()
    # What one action is depends on the other half's and, through it, on all.
    assert jacobian(lambda x: two(features[:1], x)[0], z[:1]).count_nonzero() > action_dim


def test_begins_as_the_squashed_gaussian() -> None:
    torch.manual_seed(0)
    actor = ConditionalFlowActor(FEATURES, 3, network=SMALL)
    gaussian = SquashedGaussianActor(FEATURES, 3, network=SMALL)
    gaussian.load_state_dict(actor.base.state_dict())
    features = torch.randn(9, FEATURES)
    results = []
    for policy in (actor, gaussian):
        torch.manual_seed(1)
        results.append(
            (policy(features), policy(features, True), *policy.action_log_prob(features))
        )
    for found, wanted in zip(*results, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)


def test_one_action_has_coefficients_of_the_state_alone() -> None:
    actor = make(1, n_layers=3)
    features = torch.randn(5, FEATURES)
    points = torch.tensor([-1.0, 0.0, 3.0]).repeat(5, 1).T.unsqueeze(-1)
    low, middle, high = (actor.flow(features, z)[0] for z in points)
    torch.testing.assert_close(high - middle, 3 * (middle - low))
    assert (middle - low).std() > 0.01


def test_deterministic_action_is_the_image_of_the_mean() -> None:
    actor = make(3)
    features = torch.randn(7, FEATURES)
    mean, _ = actor.base.distribution(features)
    assert actor(features, True).equal(torch.tanh(actor.flow(features, mean)[0]))
    torch.manual_seed(1)
    sampled = actor(features)
    torch.manual_seed(1)
    assert sampled.equal(actor.action_log_prob(features)[0])


@pytest.mark.parametrize("bound", [0.5, 2.0])
def test_no_layer_scales_beyond_its_bound(bound: float) -> None:
    actor = make(3, n_layers=1, log_scale_bound=bound)
    with torch.no_grad():
        actor.flow.couplings[0].output.weight.mul_(1e4)
    _, log_scale = actor.flow.couplings[0](torch.randn(50, FEATURES), torch.randn(50, 1))
    assert log_scale.abs().max().item() == pytest.approx(bound, rel=1e-6)


def test_many_actions_and_saturation() -> None:
    actor = make(38)
    features = torch.randn(256, FEATURES)
    with torch.no_grad():
        actor.base.output.bias[..., :38] = 20.0
    actions, log_prob = actor.action_log_prob(features)
    assert actions.shape == (256, 38)
    assert log_prob.shape == (256, 1)
    assert (actions == 1).any()
    gradients = torch.autograd.grad(log_prob.mean(), list(actor.parameters()))
    assert log_prob.isfinite().all()
    assert all(gradient.isfinite().all() and gradient.any() for gradient in gradients)
    assert actor.log_prob(features, torch.ones(256, 38)).isfinite().all()


def test_norms_of_all_networks_hear_the_mode() -> None:
    batch = {"name": "mlp", "width": 8, "norm": "batch"}
    actor = make(2, network=batch, coupling_network=batch)
    features = torch.randn(16, FEATURES)
    norms = [part for name, part in actor.named_buffers() if name.endswith("running_mean")]
    assert len(norms) == 2 * 5
    actor.action_log_prob(features)
    assert not any(norm.any() for norm in norms)
    actor.action_log_prob(features, training=True)
    assert all(norm.any() for norm in norms)


def test_constraint_holds_in_all_networks() -> None:
    actor = make(2, constraint="unit-norm")
    with torch.no_grad():
        for parameter in actor.parameters():
            parameter.mul_(3)
    actor.project_()
    layers = [layer for layer in linear_layers(actor) if layer.out_features == 16]
    assert len(layers) == 2 * 5
    for layer in layers:
        total = layer.weight.square().sum(dim=1) + layer.bias.square()[:, 0]
        np.testing.assert_allclose(total.detach(), 1, rtol=1e-5)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"n_layers": 0}, "n_layers is 0; allowed: from 1 to 64"),
        ({"n_layers": 10**9}, "n_layers is 1000000000; allowed: from 1 to 64"),
        ({"log_scale_bound": 0.0}, "log_scale_bound is 0.0; allowed: above 0, and finite"),
        ({"log_scale_bound": math.inf}, "log_scale_bound is inf; allowed: above 0, and finite"),
        (
            {"log_scale_bound": math.nan},
            "log_scale_bound is nan; allowed: numbers of 64 bits, not nan",
        ),
        ({"log_std_min": 3.0}, "log_std_min is 3.0 and log_std_max is 2.0; allowed: finite"),
        ({"log_std_min": math.nan}, "log_std_min is nan; allowed: numbers of 64 bits, not nan"),
        ({"coupling_network": "mpl"}, "did you mean 'mlp'"),
        ({"n_layer": 2}, "did you mean 'n_layers'"),
        (
            {"constraint": {"name": "unit-norm", "output_layer": True}},
            "normalises the output layer, which begins at zero in a coupling layer",
        ),
        (
            {"constraint": {"name": "spectral", "which": "all"}},
            "normalises the output layer, which begins at zero in a coupling layer",
        ),
    ],
)
def test_bad_parameters_get_one_sentence(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError) as raised:
        build("actor", {"name": "conditional-flow", **params}, FEATURES, 2)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "params",
    [
        {"network": SMALL, "coupling_network": SMALL},
        {"network": SMALL, "coupling_network": SMALL, "init": "orthogonal", "n_layers": 1},
        {"network": SMALL, "coupling_network": SMALL, "constraint": "spectral"},
    ],
)
def test_keeps_the_contract(params: dict[str, Any]) -> None:
    check_component("actor", "conditional-flow", params)


def test_trains_on_one_action(tmp_path: Path) -> None:
    check_actor_trains(
        {"name": "conditional-flow", "network": SMALL, "coupling_network": SMALL}, tmp_path
    )


@pytest.mark.slow
@pytest.mark.parametrize("action_dim", [1, 3])
def test_compiles_as_a_whole(action_dim: int) -> None:
    actor = make(action_dim)
    features = torch.randn(16, FEATURES)

    compiled = torch.compile(actor.action_log_prob, fullgraph=True)
    actions, log_prob = compiled(features)
    # The compiled noise is another; the density of its actions must be the same.
    torch.testing.assert_close(log_prob, actor.log_prob(features, actions), rtol=1e-3, atol=1e-3)
