"""BroNet against numpy."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sb3_scale import Sb3ScaleError
from sb3_scale.parts import build
from sb3_scale.testing import check_component

Array = NDArray[np.float64]


def dense(layer: torch.nn.Module, member: int, x: Array, norm: bool) -> Array:
    weight, bias = (
        tensor[member].detach().double().numpy()
        for tensor in (layer.linear.weight, layer.linear.bias)
    )
    y = x @ weight + bias
    if norm:
        scale, shift = (
            tensor[member].detach().double().numpy()
            for tensor in (layer.norm.weight, layer.norm.bias)
        )
        centred = y - y.mean(axis=1, keepdims=True)
        y = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5) * scale + shift
    return y


@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("norm", ["layer", None])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_forward(n_members: int, norm: str | None, depth: int) -> None:
    torch.manual_seed(0)
    config = {"name": "bronet", "width": 6, "depth": depth, "norm": norm}
    network = build("network", config, 4, n_members)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(n_members, 7, 4)
    output = network(x, training=True).detach().numpy()
    assert output.shape == (n_members, 7, network.out_features)
    for member in range(n_members):
        has_norm = norm is not None
        y = np.maximum(dense(network.first, member, x[member].double().numpy(), has_norm), 0)
        for block in network.blocks:
            hidden = np.maximum(dense(block.inner, member, y, has_norm), 0)
            y = y + dense(block.outer, member, hidden, has_norm)
        np.testing.assert_allclose(output[member], y, rtol=1e-4, atol=1e-4 * np.abs(y).max())


def test_size_by_default_is_that_of_the_papers_critic() -> None:
    network = build("network", "bronet", 223 + 38, 2)
    norm = 2 * 512
    first = 261 * 512 + 512 + norm
    block = 2 * (512 * 512 + 512 + norm)
    assert sum(parameter.numel() for parameter in network.parameters()) == 2 * (first + 2 * block)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"widht": 8}, "did you mean 'width'"),
        ({"width": 0}, "width is 0; allowed: at least 1"),
        ({"depth": -1}, "depth is -1; allowed: at least 0"),
        ({"norm": "lyer"}, "did you mean 'layer'"),
    ],
)
def test_bad_parameters_get_one_sentence(params: dict[str, object], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError) as raised:
        build("network", {"name": "bronet", **params}, 4, 2)
    assert sentence in str(raised.value)


@pytest.mark.parametrize("norm", ["layer", "batch", None])
def test_keeps_the_contract(norm: str | None) -> None:
    check_component("network", "bronet", {"width": 16, "norm": norm})
