"""The encoder of DrQ."""

from typing import Any, Literal

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from sb3_scale.errors import Sb3ScaleError, check_at_least, shown
from sb3_scale.nn.base import ConstrainedModule, Extractor, Init, ReadsBytes
from sb3_scale.nn.norms import batch_norms
from sb3_scale.protocols import PartConfig
from sb3_scale_pixels.convolution import Convolution
from sb3_scale_pixels.trunk import Trunk

STRIDES = (2, 1, 1, 1)

CHUNK = 32
"""Images whose activations stay in a processor's cache from one layer to the next."""


class DrQEncoder(ConstrainedModule, Extractor, ReadsBytes):
    """
    Convolutions of 3x3 with ReLU, then a trunk: a linear layer, a norm and tanh.

    With ``trunk: shared`` the features of actor and critic are those of the trunk. With ``own``, as
    in the released code of DrQ, they are those of the last convolution; the critic reads them
    through a trunk of its own, which is part of this extractor, and the actor through one in its
    network: ``{name: trunk, network: {...}}``. Source: Kostrikov et al., "Image Augmentation Is All
    You Need", 2021, appendix B.

    A constraint sees each convolution as the matrix that is multiplied with a patch, and the
    linear layer as the output layer.

    :param observation_space: images of uint8, channels first
    :param channels: of each convolution
    :param strides: of the convolutions, of which there are as many, 2, 1, 1 and 1 by default
    :param features: width of the trunk
    :param trunk: whether actor and critic have one in common
    :param norm: of the trunk, nothing if null; with ``own`` not one with statistics of a batch
    :param squash: whether the trunk ends with tanh
    :param center: whether images are from -0.5 to 0.5, as in DrQ-v2, instead of from 0 to 1
    :param constraint: rule that the weights of all layers obey
    :param init: initialisation of the layers; ``orthogonal`` is the published one
    """

    def __init__(
        self,
        observation_space: "spaces.Space[Any]",
        channels: int = 32,
        strides: list[int] | None = None,
        features: int = 50,
        trunk: Literal["shared", "own"] = "shared",
        norm: PartConfig | None = "layer",
        squash: bool = True,
        center: bool = False,
        constraint: PartConfig | None = None,
        init: Init = "orthogonal",
    ) -> None:
        super().__init__()
        check_at_least(1, channels=channels)
        in_channels, *sizes = _image_shape(observation_space)
        self.convolutions = nn.ModuleList()
        if strides is None:
            strides = list(STRIDES)
        if not strides or min(strides) < 1:
            raise ValueError(
                f"strides is {shown(strides)}; allowed: at least one number, each at least 1"
            )
        for stride in strides:
            layer = Convolution(in_channels, channels, stride)
            self.convolutions.append(layer)
            in_channels, sizes = channels, [layer.new_size(size) for size in sizes]
            if min(sizes) < 1:
                raise ValueError(
                    f"images of {observation_space.shape} are too small for strides "
                    f"{shown(strides)}; allowed: larger images, or fewer convolutions"
                )
        self.trunk = Trunk(channels * sizes[0] * sizes[1], 1, features, norm, squash)
        self.shared = trunk == "shared"
        if not self.shared and batch_norms(self.trunk):
            # The critic reads it outside of the pass that knows whether it trains.
            raise ValueError(
                f"norm is {shown(norm)}, with statistics of a batch, and trunk is 'own'; "
                "allowed: another norm, such as 'layer', or trunk: shared"
            )
        self.trunk_features = features
        self.features_dim = features if self.shared else self.trunk.linear.in_features
        self.center = center
        self.initialize(init, constraint)
        # It gives features, and no outputs that decay of weights would tell apart.
        self.trunk.linear.output = False

    def forward(self, observations: Tensor, training: bool = False) -> Tensor:
        """
        :param observations: uint8, shape ``(batch, channels, height, width)``
        :param training: whether norms use the statistics of this batch
        :return: shape ``(batch, features_dim)``
        :raises Sb3ScaleError: if the images are of another type
        """
        if observations.dtype != torch.uint8:
            kind = str(observations.dtype).removeprefix("torch.")
            raise Sb3ScaleError(
                f"observations are {kind}, and extractor 'drq' reads images as they are stored; "
                "allowed: uint8, from 0 to 255"
            )
        # Their number is part of a program that is exported, and that takes batches of any size.
        traced = torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]
        whole = torch.compiler.is_exporting() or traced or observations.device.type != "cpu"
        parts = (observations,) if whole else torch.split(observations, CHUNK)
        found = torch.cat([self._convolve(chunk) for chunk in parts])
        return self.trunk.finish(found.unsqueeze(0), training).squeeze(0) if self.shared else found

    def _convolve(self, images: Tensor) -> Tensor:
        x = images.contiguous(memory_format=torch.channels_last)
        # A copy even of floats, which a file of TorchScript may be given.
        x = x.to(torch.float32, copy=True)
        if self.center:
            x = x.sub_(127.5)
        x = x.div_(255)
        for layer in self.convolutions:
            x = layer(x).relu_()
        x = x.permute(0, 2, 3, 1).flatten(start_dim=1)
        return self.trunk.linear(x.unsqueeze(0)).squeeze(0) if self.shared else x

    def critic_dims(self, action_dim: int) -> tuple[int, int]:
        """
        :param action_dim: number of actions
        :return: widths of the trunk and of the actions
        """
        return self.trunk_features, action_dim

    def critic_inputs(self, features: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
        """
        :param features: of observations, shape ``(batch, features_dim)``
        :param actions: shape ``(batch, action_dim)``
        :return: what the critic's trunk gives, shape ``(batch, features)``, and the actions
        """
        if self.shared:
            return features, actions
        return self.trunk(features.unsqueeze(0)).squeeze(0), actions


def _image_shape(space: "spaces.Space[Any]") -> tuple[int, ...]:
    image = (
        isinstance(space, spaces.Box)
        and len(space.shape) == 3
        and space.dtype == np.uint8
        and bool((space.low == 0).all() and (space.high == 255).all())
    )
    if not image:
        keyed = "; for images among the keys of a Dict: {name: dict, keys: {KEY: drq}}"
        raise ValueError(
            f"the observation space is {space}; allowed: images, so a Box(0, 255, (channels, "
            f"height, width), uint8){keyed if isinstance(space, spaces.Dict) else ''}"
        )
    shape: tuple[int, ...] = space.shape  # type: ignore[assignment]
    return shape
