"""The modern network against numpy."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sb3_scale import Sb3ScaleError
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.parts import build
from sb3_scale.testing import check_component

SMALL = {"width": 6, "inner_width": 10}
Array = NDArray[np.float64]


def linear(layer: EnsembleLinear, member: int, x: Array) -> Array:
    weight, bias = layer.weight[member].detach().numpy(), layer.bias[member, 0].detach().numpy()
    return x @ weight.astype(np.float64) + bias


def layer_norm(norm: torch.nn.Module, member: int, x: Array) -> Array:
    mean = x.mean(axis=1, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=1, keepdims=True)
    scale, shift = (tensor[member, 0].detach().numpy() for tensor in (norm.weight, norm.bias))
    return (x - mean) / np.sqrt(variance + 1e-5) * scale + shift


@pytest.mark.parametrize("n_members", [1, 2, 5])
@pytest.mark.parametrize("norm", ["layer", None])
def test_forward_is_section_3_2(n_members: int, norm: str | None) -> None:
    torch.manual_seed(0)
    network = build("network", {"name": "modern", "depth": 3, "norm": norm, **SMALL}, 4, n_members)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(n_members, 7, 4)
    output = network(x, training=True).detach().numpy()
    assert output.shape == (n_members, 7, 6)
    assert network.out_features == 6
    for member in range(n_members):
        y = linear(network.first, member, x[member].numpy())
        for block in network.blocks:
            branch = y if norm is None else layer_norm(block.norm, member, y)
            hidden = np.maximum(linear(block.expand, member, branch), 0)
            y = y + linear(block.contract, member, hidden)
        np.testing.assert_allclose(output[member], y, rtol=1e-4, atol=1e-4 * np.abs(y).max())


def test_size_by_default_is_that_of_the_papers_critic() -> None:
    network = build("network", "modern", 50 + 6, 2)
    first = 56 * 1024 + 1024
    block = 2 * 1024 + (1024 * 2048 + 2048) + (2048 * 1024 + 1024)
    assert sum(parameter.numel() for parameter in network.parameters()) == 2 * (first + 4 * block)


def test_activation_is_between_the_two_layers_of_a_block() -> None:
    torch.manual_seed(0)
    config = {"name": "modern", "depth": 1, "activation": "tanh", "norm": None, **SMALL}
    network = build("network", config, 4, 1)
    x = torch.randn(1, 7, 4)
    y = network.first(x)
    block = network.blocks[0]
    torch.testing.assert_close(network(x), y + block.contract(torch.tanh(block.expand(y))))


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"widht": 8}, "did you mean 'width'"),
        ({"width": 0}, "width is 0; allowed: at least 1"),
        ({"depth": -1}, "depth is -1; allowed: at least 0"),
        ({"inner_width": "wide"}, "inner_width is 'wide' (str)"),
        ({"norm": "lyer"}, "did you mean 'layer'"),
    ],
)
def test_bad_parameters_get_one_sentence(params: dict[str, object], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError) as raised:
        build("network", {"name": "modern", **params}, 4, 2)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_keeps_the_contract() -> None:
    check_component("network", "modern", {"width": 16, "inner_width": 32, "depth": 2})
