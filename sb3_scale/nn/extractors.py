"""Features of observations."""

import warnings
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.preprocessing import get_flattened_obs_dim, is_image_space
from torch import Tensor

from sb3_scale.nn.base import Extractor


class FlattenExtractor(Extractor):
    """
    The observation as one vector, ``Dict`` observations joined in the order of their keys.

    Warns of images, whose pixels lose their places.

    :param observation_space: the environment's space
    """

    def __init__(self, observation_space: "spaces.Space[Any]") -> None:
        super().__init__()
        self.keys: list[str] | None = None
        _warn_of_images(observation_space)
        if isinstance(observation_space, spaces.Dict):
            self.keys = list(observation_space.spaces)
            parts = observation_space.spaces.values()
            self.features_dim = sum(get_flattened_obs_dim(space) for space in parts)
        else:
            self.features_dim = get_flattened_obs_dim(observation_space)

    def forward(self, observations: Any, training: bool = False) -> Tensor:
        """
        :param observations: a tensor, or a mapping of tensors, with the batch first
        :param training: without effect
        :return: shape ``(batch, features_dim)``
        """
        if self.keys is None:
            return torch.flatten(observations, start_dim=1)
        return torch.cat([observations[key].flatten(start_dim=1) for key in self.keys], dim=1)


class SymlogExtractor(FlattenExtractor):
    """
    ``sign(x) ln(1 + |x|)`` of each number of the observation, flattened and joined.

    It keeps rare large numbers, such as contact forces, from ruling the statistics of a norm.
    Source: Hafner et al., "Mastering Diverse Domains through World Models", 2023.

    :param observation_space: the environment's space
    """

    def forward(self, observations: Any, training: bool = False) -> Tensor:
        """
        :param observations: a tensor, or a mapping of tensors, with the batch first
        :param training: without effect
        :return: shape ``(batch, features_dim)``
        """
        x = super().forward(observations, training)
        return x.sign() * x.abs().log1p()


def _warn_of_images(space: "spaces.Space[Any]") -> None:
    found = {"the observation": space}
    if isinstance(space, spaces.Dict):
        found = {f"the observation '{key}'": each for key, each in space.items()}
    for name, each in found.items():
        if is_image_space(each):
            warnings.warn(
                f"{name} is an image, which the networks get as {get_flattened_obs_dim(each)} "
                "numbers in a row; an extractor for images is 'drq' of sb3-scale-pixels",
                stacklevel=2,
            )
