"""SimBa against numpy, its size and how it begins."""

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rivals import narrow, settings, sizes_for_the_dog, trained

from sb3_scale import Sb3ScaleError
from sb3_scale.parts import build
from sb3_scale.testing import check_component

Array = NDArray[np.float64]


def array(tensor: torch.Tensor, member: int) -> Array:
    found: Array = tensor[member].detach().double().numpy()
    return found


def norm(layer: torch.nn.Module, member: int, x: Array) -> Array:
    centred = x - x.mean(axis=1, keepdims=True)
    standard = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    return standard * array(layer.weight, member) + array(layer.bias, member)


def linear(layer: torch.nn.Module, member: int, x: Array) -> Array:
    found: Array = x @ array(layer.weight, member) + array(layer.bias, member)
    return found


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("depth", [0, 2])
def test_forward(n_members: int, depth: int) -> None:
    torch.manual_seed(0)
    network = build("network", {"name": "simba", "width": 6, "depth": depth}, 4, n_members)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(n_members, 7, 4)
    output = network(x, training=True).detach().numpy()
    for member in range(n_members):
        h = linear(network.first, member, x[member].double().numpy())
        for block in network.blocks:
            hidden = np.maximum(linear(block.inner, member, norm(block.norm, member, h)), 0)
            h = h + linear(block.outer, member, hidden)
        np.testing.assert_allclose(
            output[member], norm(network.norm, member, h), rtol=1e-4, atol=1e-4
        )


def test_layers_begin_as_in_the_released_code() -> None:
    torch.manual_seed(0)
    parts = settings("simba")["policy_kwargs"]
    critic = build("critic", parts["critic"], 100, 3)
    first = critic.network.first.weight[0].detach().double().numpy()
    np.testing.assert_allclose(first @ first.T, np.eye(103), atol=1e-5)
    output = critic.output.weight[0].detach().double().numpy()
    np.testing.assert_allclose(output.T @ output, [[1]], atol=1e-5)
    for block in critic.network.blocks:
        for layer in (block.inner, block.outer):
            std = math.sqrt(2 / layer.in_features)
            assert layer.weight.std().item() == pytest.approx(std, rel=0.01)
            assert layer.weight.abs().max() <= 2.001 * std / 0.87962566
    for name, parameter in critic.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any(), name


def test_sizes_for_the_dog_are_those_of_the_layers() -> None:
    """4.34 M and 0.17 M, by the list of layers of the released code."""

    def trunk(inputs: int, d: int, blocks: int) -> int:
        block = 2 * d + d * 4 * d + 4 * d + 4 * d * d + d
        return inputs * d + d + blocks * block + 2 * d

    critic, actor = trunk(261, 512, 2) + 512 + 1, trunk(223, 128, 1) + 2 * (128 * 38 + 38)
    assert sizes_for_the_dog("simba") == (critic, actor) == (4_337_153, 170_700)


def test_numbers() -> None:
    entry = settings("simba")
    wanted = {"batch_size": 256, "learning_starts": 5000, "gradient_steps": 2, "tau": 0.005}
    wanted |= {"ent_coef": "auto_0.01", "target_entropy": "auto_0.5", "learning_rate": 1e-4}
    assert {key: entry[key] for key in wanted} == wanted
    assert not any(key.endswith("_learning_rate") for key in entry)
    model = narrow("simba")
    for part in (model.policy.actor, model.policy.critic):
        (group,) = part.optimizer.param_groups
        assert (group["weight_decay"], group["lr"]) == (0.01, 1e-4)


def test_60_gradient_steps() -> None:
    trained("simba")


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"width": 0}, "width is 0; allowed: at least 1"),
        ({"depth": -1}, "depth is -1; allowed: at least 0"),
        ({"expansion": 0}, "expansion is 0; allowed: at least 1"),
        ({"norm": "lyer"}, "did you mean 'layer'"),
    ],
)
def test_bad_parameters_get_one_sentence(params: dict[str, object], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError) as raised:
        build("network", {"name": "simba", **params}, 4, 2)
    assert sentence in str(raised.value)


@pytest.mark.parametrize("norm", ["rms", "batch"])
def test_keeps_the_contract_with_other_norms(norm: str) -> None:
    check_component("network", "simba", {"width": 16, "norm": norm})
