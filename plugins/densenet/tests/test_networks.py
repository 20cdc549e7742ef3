"""The networks against numpy, member by member."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sb3_scale import Sb3ScaleError
from sb3_scale.nn.linear import linear_layers
from sb3_scale.parts import build
from sb3_scale.testing import check_component

Array = NDArray[np.float64]
Layers = list[Callable[[Array], Array]]
NAMES = ("densenet", "resnet", "d2rl")


def layer_of(layer: torch.nn.Module, member: int, norm: bool) -> Callable[[Array], Array]:
    def array(tensor: torch.Tensor) -> Array:
        return tensor[member].detach().double().numpy()

    def apply(x: Array) -> Array:
        y = x @ array(layer.linear.weight) + array(layer.linear.bias)
        if norm:
            centred = y - y.mean(axis=1, keepdims=True)
            y = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
            y = y * array(layer.norm.weight) + array(layer.norm.bias)
        return y / (1 + np.exp(-y))

    return apply


def densenet(x: Array, layers: Layers) -> Array:
    outputs = [x]
    for layer in layers:
        outputs.append(layer(np.concatenate(outputs, axis=1)))
    return np.concatenate(outputs, axis=1)


def resnet(x: Array, layers: Layers) -> Array:
    y = layers[0](x)
    for layer in layers[1:]:
        y = layer(y) + y
    return y


def d2rl(x: Array, layers: Layers) -> Array:
    y = layers[0](x)
    for layer in layers[1:]:
        y = layer(np.concatenate([y, x], axis=1))
    return y


EXPECTED = {"densenet": densenet, "resnet": resnet, "d2rl": d2rl}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("n_members", [1, 3])
@pytest.mark.parametrize("norm", ["layer", None])
@pytest.mark.parametrize("depth", [1, 2, 4])
def test_forward(name: str, n_members: int, norm: str | None, depth: int) -> None:
    torch.manual_seed(0)
    config = {"name": name, "width": 6, "depth": depth, "norm": norm, "activation": "silu"}
    network = build("network", config, 4, n_members)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(n_members, 7, 4)
    output = network(x, training=True).detach().numpy()
    assert output.shape == (n_members, 7, network.out_features)
    for member in range(n_members):
        layers = [layer_of(layer, member, norm is not None) for layer in network.layers]
        y = EXPECTED[name](x[member].double().numpy(), layers)
        np.testing.assert_allclose(output[member], y, rtol=1e-4, atol=1e-4 * np.abs(y).max())


@pytest.mark.parametrize(
    ("name", "inputs", "output"),
    [("densenet", [4, 10, 16], 22), ("resnet", [4, 6, 6], 6), ("d2rl", [4, 10, 10], 6)],
)
def test_what_each_layer_reads(name: str, inputs: list[int], output: int) -> None:
    network = build("network", {"name": name, "width": 6, "depth": 3}, 4, 2)
    assert [layer.linear.in_features for layer in network.layers] == inputs
    assert network.out_features == output


@pytest.mark.parametrize(
    ("part", "inputs", "layers", "total"),
    [
        ({"name": "densenet", "width": 2048}, 2159, [4_423_680, 8_617_984, 50_048], 13_091_712),
        ({"name": "mlp", "width": 256}, 111, [28_672, 65_792, 2_056], 96_520),
    ],
    ids=["SAC (ours)", "SAC (original)"],
)
def test_actors_of_table_2(
    part: dict[str, object], inputs: int, layers: list[int], total: int
) -> None:
    """Ant-v2, two layers and 8 outputs."""
    network = build("network", {**part, "depth": 2}, inputs, 1)
    output = torch.nn.Linear(network.out_features, 8)
    linears = [*linear_layers(network), output]
    counts = [sum(p.numel() for p in layer.parameters()) for layer in linears]
    assert counts == layers
    assert sum(counts) == total


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"widht": 8}, "did you mean 'width'"),
        ({"width": 0}, "width is 0; allowed: at least 1"),
        ({"depth": 0}, "depth is 0; allowed: at least 1"),
        ({"depth": -3}, "depth is -3; allowed: at least 1"),
        ({"norm": "lyer"}, "did you mean 'layer'"),
        ({"activation": "swish"}, "activation is 'swish' (str); allowed: "),
    ],
)
def test_bad_parameters_get_one_sentence(
    name: str, params: dict[str, object], sentence: str
) -> None:
    with pytest.raises(Sb3ScaleError) as raised:
        build("network", {"name": name, **params}, 4, 2)
    assert sentence in str(raised.value)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("norm", ["layer", "batch", None])
def test_keeps_the_contract(name: str, norm: str | None) -> None:
    check_component("network", name, {"width": 16, "norm": norm})
