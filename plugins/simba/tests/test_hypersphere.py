"""SimbaV2 against numpy, its size, and the spheres of its weights and features."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rivals import count, narrow, neurons, settings, sizes_for_the_dog, trained

from sb3_scale import Sb3ScaleError
from sb3_scale.nn.linear import linear_layers
from sb3_scale.parts import build
from sb3_scale.testing import check_component
from sb3_scale_simba.hypersphere import Scaler

Array = NDArray[np.float64]


def array(tensor: torch.Tensor, member: int) -> Array:
    found: Array = tensor[member].detach().double().numpy()
    return found


def unit(x: Array) -> Array:
    return x / np.sqrt((x * x).sum(axis=1, keepdims=True))


def by_hand(network: Any, member: int, x: Array, width: int, depth: int) -> Array:
    """Scales as the learned number times where it began over what it began with."""

    def linear(layer: Any, h: Array) -> Array:
        return h @ array(layer.weight, member)

    def scale(layer: Any, initial: float, start: float) -> Array:
        found: Array = array(layer.weight, member)[0] * initial / start
        return found

    root, inner = math.sqrt(2 / width), math.sqrt(2 / width) / math.sqrt(4)
    x = unit(np.concatenate((x, np.full((len(x), 1), 3.0)), axis=1))
    x = unit(linear(network.embed.linear, x) * scale(network.embed.scaler, root, root))
    for block in network.blocks:
        h = linear(block.inner.linear, x) * scale(block.inner.scaler, inner, inner)
        h = unit(linear(block.outer, np.where(h > 0, h, 0) + 1e-8))
        share = scale(block.share, 1 / (depth + 1), 1 / math.sqrt(width))
        x = unit((1 - share) * x + share * h)
    if network.head is not None:
        x = linear(network.head.linear, x) * scale(network.head.scaler, 1, 1)
    return x


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("depth", [0, 2])
@pytest.mark.parametrize("head", [True, False])
def test_forward(n_members: int, depth: int, head: bool) -> None:
    torch.manual_seed(0)
    config = {"name": "simbav2", "width": 6, "depth": depth, "head": head}
    network = build("network", config, 4, n_members)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    x = 5 * torch.randn(n_members, 7, 4)
    output = network(x, training=True).detach().numpy()
    for member in range(n_members):
        expected = by_hand(network, member, x[member].double().numpy(), 6, depth)
        np.testing.assert_allclose(output[member], expected, rtol=1e-4, atol=1e-5)
    if not head:
        np.testing.assert_allclose((output**2).sum(axis=2), 1, rtol=1e-5)


def test_the_first_factors_are_those_of_the_paper() -> None:
    network = build("network", {"name": "simbav2", "width": 8, "depth": 3}, 4, 1)
    factors = {name: layer for name, layer in network.named_modules() if isinstance(layer, Scaler)}
    wanted = {"embed.scaler": 0.5, "head.scaler": 1.0}
    for block in range(3):
        wanted |= {f"blocks.{block}.inner.scaler": 0.25, f"blocks.{block}.share": 0.25}
    found = {name: each.weight.mean().item() * each.ratio for name, each in factors.items()}
    assert found == pytest.approx(wanted)


def test_a_step_of_adam_changes_a_factor_by_the_same_share_of_its_scale() -> None:
    """Wherever it begins: 1e-3 / scale of its initial value."""
    for initial, scale in ((1.0, 1.0), (0.3, 0.1), (5.0, 0.1)):
        scaler = Scaler(4, 1, initial, scale)
        optimizer = torch.optim.Adam(scaler.parameters(), lr=1e-3)
        scaler(torch.ones(1, 2, 4)).sum().backward()
        optimizer.step()
        factor = scaler(torch.ones(1, 1, 4)).detach()
        np.testing.assert_allclose(factor, initial * (1 - 1e-3 / scale), rtol=1e-5)


def test_the_size_of_the_input_is_not_lost() -> None:
    torch.manual_seed(0)
    network, x = build("network", {"name": "simbav2", "width": 8}, 4, 1), torch.randn(1, 5, 4)
    assert (network(x) - network(2 * x)).abs().max() > 1e-2


def test_weights_stay_on_the_sphere_heads_included_and_nothing_else_is_held() -> None:
    model = trained("simbav2")
    policy = model.policy
    for part in (policy.actor, policy.critic, policy.critic_target):
        assert all(layer.bias is None for layer in linear_layers(part) if not layer.output)
        for norms in neurons(part):
            torch.testing.assert_close(norms, torch.ones_like(norms), atol=1e-6, rtol=0)
    before = [
        scaler.weight.clone() for scaler in policy.critic.modules() if isinstance(scaler, Scaler)
    ]
    policy.critic.project_()
    after = [scaler.weight for scaler in policy.critic.modules() if isinstance(scaler, Scaler)]
    assert all(map(torch.equal, before, after))
    assert policy.critic.output.bias.any()


def test_projection_makes_the_norms_one_whatever_the_initialisation() -> None:
    """So gain sqrt 2 becomes the released code's gain 1, in matrices that are not too wide."""
    critic = narrow("simbav2").policy.critic
    for layer in linear_layers(critic):
        weight = layer.weight.detach().double().numpy()[0]
        if weight.shape[0] >= weight.shape[1]:
            np.testing.assert_allclose(weight.T @ weight, np.eye(weight.shape[1]), atol=1e-6)


def test_sizes_for_the_dog_are_those_of_the_layers() -> None:
    """4.65 M and 0.20 M, by the list of layers of the released code."""

    def trunk(inputs: int, d: int, blocks: int) -> int:
        block = d * 4 * d + 4 * d + 4 * d * d + d
        return (inputs + 1) * d + d + blocks * block

    critic = trunk(261, 512, 2) + 512 * 512 + 512 + 512 * 101 + 101
    actor = trunk(223, 128, 1) + 2 * (128 * 128 + 128 + 128 * 38 + 38)
    assert sizes_for_the_dog("simbav2") == (critic, actor) == (4_648_549, 203_340)


def test_mean_and_log_sigma_have_heads_of_their_own() -> None:
    actor = narrow("simbav2").policy.actor
    features = torch.randn(5, 3)
    mean, log_std = actor.distribution(features)
    for head, output in enumerate((mean, log_std)):
        found = torch.autograd.grad(output.sum(), list(actor.heads.parameters()), retain_graph=True)
        assert all(grad[head].any() and not grad[1 - head].any() for grad in found)
    trunk = by_hand(actor.network, 0, features.double().numpy(), 8, 1)
    raw = []
    for head in (0, 1):
        h = trunk @ array(actor.heads.linear.weight, head) * array(actor.heads.scaler.weight, head)
        raw.append(h @ array(actor.output.weight, head) + array(actor.output.bias, head))
    np.testing.assert_allclose(mean.detach(), raw[0], atol=1e-5)
    np.testing.assert_allclose(log_std.detach(), -10 + 6 * (1 + np.tanh(raw[1])), atol=1e-5)


def test_numbers() -> None:
    entry = settings("simbav2")
    wanted = {"batch_size": 256, "learning_starts": 5000, "gradient_steps": 2, "tau": 0.005}
    wanted |= {"ent_coef": "auto_0.01", "target_entropy": "auto_0.5", "learning_rate": 1e-4}
    for part in ("actor", "critic", "ent_coef"):
        wanted[f"{part}_learning_rate"] = "lin_1e-4_5e-5"
    assert {key: entry[key] for key in wanted} == wanted
    assert entry["normalize"] == {"norm_obs": True, "norm_reward": False}


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"width": 0}, "width is 0; allowed: at least 1"),
        ({"depth": -1}, "depth is -1; allowed: at least 0"),
        ({"expansion": 0}, "expansion is 0; allowed: at least 1"),
        ({"shift": 0.0}, "shift is 0.0; allowed: above 0"),
        ({"shfit": 3.0}, "did you mean 'shift'"),
    ],
)
def test_bad_parameters_get_one_sentence(params: dict[str, object], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError) as raised:
        build("network", {"name": "simbav2", **params}, 4, 2)
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("name", "params"), [("simbav2", {"width": 16, "head": False}), ("simbav2-head", {})]
)
def test_keeps_the_contract(name: str, params: dict[str, Any]) -> None:
    check_component("network", name, params)


@pytest.mark.slow
def test_a_compiled_step_is_that_of_eager_execution() -> None:
    eager, compiled = narrow("simbav2").learn(40), narrow("simbav2", compile=True).learn(40)
    assert count(eager.policy) == count(compiled.policy)
    for expected, found in zip(
        eager.policy.parameters(), compiled.policy.parameters(), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
