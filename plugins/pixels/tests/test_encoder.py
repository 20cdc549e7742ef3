"""The encoder equals plain convolutions, with each trunk, and constraints reach it."""

from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from pictures import ENCODER, Pictures, make
from torch import nn

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.nn.linear import linear_layers
from sb3_scale_pixels.encoder import CHUNK, DrQEncoder

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")

SPACE = spaces.Box(0, 255, (6, 20, 18), np.uint8)


def images(size: int = 5) -> torch.Tensor:
    return torch.randint(0, 256, (size, 6, 20, 18), dtype=torch.uint8)


def plain(encoder: DrQEncoder) -> list[nn.Conv2d]:
    """The same convolutions as those of PyTorch."""
    found = []
    for layer in encoder.convolutions:
        weight = layer.weight[0].detach()
        conv = nn.Conv2d(layer.in_channels, weight.shape[1], 3, layer.stride)
        # From rows, columns and channels of a patch.
        conv.weight.data = weight.view(3, 3, layer.in_channels, -1).permute(3, 2, 0, 1)
        conv.bias.data = layer.bias.detach().flatten()
        found.append(conv)
    return found


@pytest.mark.parametrize(("strides", "center"), [(None, False), ([2, 2], True), ([1, 2, 1], False)])
def test_features_equal_those_of_plain_convolutions(
    strides: list[int] | None, center: bool
) -> None:
    encoder = DrQEncoder(SPACE, 4, strides, features=5, init="default", center=center)
    given = images(CHUNK + 3)
    x = given.float() / 255 - 0.5 * center
    for conv in plain(encoder):
        x = conv(x).relu()
    # The order of pixels and channels is that of the memory.
    x = x.permute(0, 2, 3, 1).flatten(1)
    linear = encoder.trunk.linear
    x = nn.functional.layer_norm(x @ linear.weight[0] + linear.bias[0], (5,)).tanh()
    torch.testing.assert_close(encoder(given), x, rtol=1e-4, atol=1e-5)
    assert encoder.features_dim == 5


def test_published_size_and_initialisation() -> None:
    encoder = DrQEncoder(spaces.Box(0, 255, (9, 84, 84), np.uint8), trunk="own")
    assert encoder.features_dim == 39200
    assert encoder.critic_dims(2) == (50, 2)
    for layer in encoder.convolutions:
        gram = layer.weight[0].T @ layer.weight[0]
        torch.testing.assert_close(gram, 2 * torch.eye(32), rtol=0, atol=1e-5)
    weight = encoder.trunk.linear.weight[0].detach()
    torch.testing.assert_close(weight.T @ weight, torch.eye(50), rtol=0, atol=1e-4)
    assert all(not layer.bias.any() for layer in linear_layers(encoder))


def test_own_trunks_are_trained_apart_and_convolutions_by_the_critic_alone() -> None:
    model = make()
    model.learn(21)
    policy = model.policy
    held = {
        name: {id(each) for each in getattr(model.learners, name).parameters}
        for name in ("actor", "critic")
    }
    assert all(id(each) in held["critic"] for each in policy.extractor.parameters())
    assert held["actor"] == {id(each) for each in policy.actor.parameters()}
    trunk = policy.actor.network.trunk.linear
    assert trunk.in_features == policy.extractor.trunk.linear.in_features == 18
    assert not torch.equal(trunk.weight, policy.extractor.trunk.linear.weight)


@pytest.mark.parametrize("target", [True, False])
def test_the_target_is_a_copy_of_encoder_and_trunk_or_none(target: bool) -> None:
    model = make(extractor_target=target, tau=0.5)
    online, copy = model.policy.extractor, model.policy.extractor_target
    assert (copy is not online) == target
    before = [each.clone() for each in copy.parameters()]
    model.learn(22)
    pairs = zip(before, online.parameters(), copy.parameters(), strict=True)
    for old, now, mine in pairs:
        assert not torch.equal(old, mine)
        assert torch.equal(mine, now) == (not target)


CONSTRAINTS: dict[str, Any] = {
    "unit-norm": {"name": "unit-norm", "output_layer": True},
    "spectral": {"name": "spectral", "which": "all"},
}


@pytest.mark.parametrize("trunk", ["shared", "own"])
@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraints_hold_for_convolutions_after_training(name: str, trunk: str) -> None:
    model = make(extractor={**ENCODER, "trunk": trunk, "constraint": CONSTRAINTS[name]})
    model.learn(30)
    for part in (model.policy.extractor, model.policy.extractor_target):
        layers = linear_layers(part)
        assert len(layers) == 5
        for layer in layers:
            weight = layer.effective_weight()[0]
            if name == "spectral":
                largest = float(torch.linalg.matrix_norm(weight, 2))
                assert largest == pytest.approx(1, abs=0.02)
                continue
            square = weight.square().sum(0)
            if layer is not layers[-1]:
                square = square + layer.bias[0, 0].square()
            torch.testing.assert_close(square, torch.ones_like(square), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("env", "changes", "sentence"),
    [
        (Pictures((6, 8, 30)), {}, r"images of \(6, 8, 30\) are too small for strides \[2, 1, 1"),
        (Pictures((20, 18)), {"transforms": None}, r"allowed: images, so a Box\(0, 255"),
        (Pictures(dtype=np.float32), {"transforms": None}, r"float32.*allowed: images, so a Box"),
        (None, {"normalize_images": False}, "normalize_images is false, and extractor"),
        (None, {"extractor": {**ENCODER, "strides": [2, 0]}}, r"strides is \[2, 0\]; allowed: at"),
        (
            None,
            {"extractor": {**ENCODER, "strides": []}},
            r"strides is \[\]; allowed: at least one",
        ),
        (None, {"extractor": {**ENCODER, "chanels": 3}}, "did you mean 'channels'"),
    ],
)
def test_what_it_cannot_read_is_refused_in_one_sentence(
    env: Any, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(Sb3ScaleError, match=sentence):
        make(SAC, env, **changes)


@pytest.mark.parametrize("norm", ["batch", {"name": "batch-renorm", "r_max": 2}])
def test_statistics_of_a_batch_are_for_the_shared_trunk(norm: Any) -> None:
    own = {**ENCODER, "trunk": "own", "norm": norm}
    with pytest.raises(Sb3ScaleError, match=r"norm is .*batch.* trunk is 'own'; allowed: another"):
        make(extractor=own)
    model = make(extractor={**own, "trunk": "shared"})
    model.learn(22)
    assert model.policy.extractor.trunk.norm.running_mean.any()


@pytest.mark.parametrize("center", [False, True])
def test_floats_are_refused_and_stay_as_they_are(center: bool) -> None:
    model = make(extractor={**ENCODER, "center": center})
    given = np.ones((1, 6, 20, 18), np.float32)
    with pytest.raises(Sb3ScaleError, match=r"observations are float32.*'drq'.*allowed: uint8"):
        model.predict(given)
    encoder = DrQEncoder(SPACE, 3, features=5, center=center)
    traced = torch.jit.trace(encoder, images(2))
    floats = torch.ones(2, 6, 20, 18).contiguous(memory_format=torch.channels_last)
    traced(floats)
    assert bool((floats == 1).all())
    assert bool((given == 1).all())


def test_a_traced_encoder_takes_any_number_of_images() -> None:
    encoder = DrQEncoder(SPACE, 3, features=5)
    traced = torch.jit.trace(encoder, images(2))
    for number in (1, CHUNK, CHUNK + 8):
        given = images(number)
        torch.testing.assert_close(traced(given), encoder(given))
