"""FlashSAC's network against PyTorch's own layers, its size, and what the projection keeps."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from rivals import narrow, neurons, settings, sizes_for_the_dog, trained
from torch import Tensor, nn
from torch.nn import functional

from sb3_scale import Sb3ScaleError
from sb3_scale.nn.norms import norm_parameters
from sb3_scale.parts import build
from sb3_scale.testing import check_component


def by_hand(network: Any, member: int, x: Tensor, training: bool) -> Tensor:
    """By ``torch.nn.functional``, in double precision."""

    def part(tensor: Tensor) -> Tensor:
        return tensor.detach().double()[member].squeeze(0)

    def norm(layer: Any, h: Tensor) -> Tensor:
        running = part(layer.running_mean).clone(), part(layer.running_var).clone()
        affine = part(layer.weight), part(layer.bias)
        return functional.batch_norm(h, *running, *affine, training=training, eps=1e-5)

    def linear(layer: Any, h: Tensor) -> Tensor:
        return functional.linear(h, part(layer.weight).T)

    h = linear(network.first, norm(network.input_norm, x))
    for block in network.blocks:
        inner = norm(block.inner.norm, linear(block.inner.linear, h)).relu()
        h = h + norm(block.outer.norm, linear(block.outer.linear, inner)).relu()
    root = (h.square().mean(dim=1, keepdim=True) + 1e-6).sqrt()
    return h / root * part(network.norm.weight)


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("depth", [0, 2])
def test_forward(n_members: int, training: bool, depth: int) -> None:
    torch.manual_seed(0)
    network = build("network", {"name": "flashsac", "width": 6, "depth": depth}, 4, n_members)
    for name, tensor in network.state_dict().items():
        nn.init.uniform_(tensor, 0.5, 2) if "running_var" in name else nn.init.normal_(tensor)
    x = torch.randn(n_members, 17, 4)
    with torch.no_grad():
        expected = [by_hand(network, m, x[m].double(), training) for m in range(n_members)]
        output = network(x, training)
    np.testing.assert_allclose(output.numpy(), torch.stack(expected), rtol=1e-3, atol=1e-4)


def test_weights_and_norms_stay_on_their_spheres() -> None:
    model = trained("flashsac")
    for part in (model.policy.actor, model.policy.critic, model.policy.critic_target):
        for norms in neurons(part):
            torch.testing.assert_close(norms, torch.ones_like(norms), atol=1e-6, rtol=0)
        found = norm_parameters(part)
        assert [len(parameters) for parameters in found] == [2] * 5 + [1]
        for parameters in found:
            joined = torch.cat([each.detach().double().squeeze(1) for each in parameters], dim=1)
            size = parameters[0].shape[2]
            expected = torch.full((len(joined),), math.sqrt(size), dtype=torch.float64)
            torch.testing.assert_close(joined.norm(dim=1), expected, rtol=1e-6, atol=0)
    assert model.policy.critic.network.blocks[0].inner.norm.bias.any()


def test_the_projection_of_linear_layers_before_norms_changes_no_output() -> None:
    model = narrow("flashsac", learning_rate=1e-2).learn(70)
    critic = model.policy.critic
    # Of the first layer the residual stream keeps the scale.
    layers = [each.linear for block in critic.network.blocks for each in (block.inner, block.outer)]
    for block in critic.network.blocks:
        block.inner.norm.eps = block.outer.norm.eps = 1e-12
    features, actions = torch.randn(32, 3), torch.rand(32, 1)
    with torch.no_grad():
        before = critic(features, actions, training=True)
        for layer in layers:
            layer.weight.mul_(3 * torch.rand_like(layer.weight[:, :1]) + 0.5)
    critic.project_()
    with torch.no_grad():
        after = critic(features, actions, training=True)
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-4)


def test_sizes_for_the_dog_are_those_of_the_layers() -> None:
    """2.29 M and 0.30 M, by the list of layers of the released code."""

    def trunk(inputs: int, d: int) -> int:
        block = d * 4 * d + 2 * 4 * d + 4 * d * d + 2 * d
        return 2 * inputs + inputs * d + 2 * block + d

    critic, actor = trunk(261, 256) + 256 * 101 + 101, trunk(223, 128) + 2 * (128 * 38 + 38)
    assert sizes_for_the_dog("flashsac") == (2 * critic, actor) == (2_294_494, 303_626)


def test_numbers() -> None:
    entry = settings("flashsac")
    wanted = {"batch_size": 512, "learning_starts": 10_000, "gradient_steps": 1, "tau": 0.01}
    wanted |= {"policy_delay": 2, "ent_coef": "auto_0.01", "learning_rate": 3e-4}
    wanted |= {"critic_learning_rate": "cos_3e-4_1.5e-4"}
    assert {key: entry[key] for key in wanted} == wanted
    entropy = 0.5 * math.log(2 * math.pi * math.e * 0.15**2)
    model = narrow("flashsac")
    assert model.target_entropy == pytest.approx(entropy, abs=1e-6)
    assert model.policy.actor.joint_batch


def test_rates_of_actor_and_temperature_come_half_way() -> None:
    model = narrow("flashsac", learning_starts=20).learn(60)
    rates = [learner.optimizer.param_groups[0]["lr"] for learner in model.learners]
    names = [learner.name for learner in model.learners]
    assert dict(zip(names, rates, strict=True)) == pytest.approx(
        {"critic": 1.5e-4, "actor": 2.25e-4, "ent_coef": 2.25e-4}
    )


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"width": 0}, "width is 0; allowed: at least 1"),
        ({"depth": -1}, "depth is -1; allowed: at least 0"),
        ({"expansion": 0}, "expansion is 0; allowed: at least 1"),
        ({"norm": "bacth"}, "did you mean 'batch'"),
    ],
)
def test_bad_parameters_get_one_sentence(params: dict[str, object], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError) as raised:
        build("network", {"name": "flashsac", **params}, 4, 2)
    assert sentence in str(raised.value)


def test_keeps_the_contract_with_another_norm() -> None:
    check_component("network", "flashsac", {"width": 16, "norm": "layer"})


@pytest.mark.slow
def test_a_compiled_step_is_that_of_eager_execution() -> None:
    eager, compiled = narrow("flashsac").learn(40), narrow("flashsac", compile=True).learn(40)
    for expected, found in zip(
        eager.policy.parameters(), compiled.policy.parameters(), strict=True
    ):
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
