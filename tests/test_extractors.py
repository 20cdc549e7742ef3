"""Features of observations."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from stable_baselines3.common.torch_layers import NatureCNN

from sb3_scale.nn.extractors import FlattenExtractor, SymlogExtractor
from sb3_scale.nn.plain import PlainExtractor

BOX = spaces.Box(-1, 1, (2,), np.float32)
IMAGE = spaces.Box(0, 255, (3, 8, 8), np.uint8)


def test_symlog_keeps_the_sign_and_compresses() -> None:
    space = spaces.Box(-np.inf, np.inf, (2, 3), np.float32)
    extractor = SymlogExtractor(space)
    x = np.array([[[0.0, 1.0, -1.0], [np.e - 1, 2400.0, -1e-3]]], np.float32)
    expected = [[0.0, 0.693147, -0.693147, 1.0, 7.783641, -0.0009995]]
    assert extractor.features_dim == 6
    np.testing.assert_allclose(extractor(torch.from_numpy(x)), expected, rtol=1e-4)


def test_symlog_joins_dictionaries() -> None:
    box = spaces.Box(-1, 1, (2,), np.float32)
    extractor = SymlogExtractor(spaces.Dict({"a": box, "b": box}))
    observation = {"a": torch.ones(4, 2), "b": torch.zeros(4, 2)}
    assert extractor(observation).shape == (4, 4)
    assert extractor(observation)[0].tolist() == [*np.log1p(np.ones(2, np.float32)), 0.0, 0.0]


def test_a_plain_module_is_seen_through() -> None:
    module = NatureCNN(spaces.Box(0, 255, (3, 36, 36), np.uint8), features_dim=5)
    extractor = deepcopy(PlainExtractor(module))
    assert isinstance(extractor.cnn, torch.nn.Sequential)
    assert extractor.cnn is extractor.module.cnn
    assert extractor.features_dim == 5
    with pytest.raises(AttributeError, match="'NatureCNN' object has no attribute 'cnm'"):
        _ = extractor.cnm


@pytest.mark.parametrize(
    ("space", "which"),
    [(IMAGE, "the observation is"), (spaces.Dict(arm=BOX, eye=IMAGE), "the observation 'eye' is")],
    ids=["alone", "in a dictionary"],
)
def test_images_in_a_row_are_warned_of(space: "spaces.Space[Any]", which: str) -> None:
    with pytest.warns(UserWarning, match=f"{which} an image, .* as 192 numbers .* 'drq'"):
        FlattenExtractor(space)
