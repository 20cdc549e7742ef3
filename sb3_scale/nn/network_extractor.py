"""Features that a network makes of a vector."""

from typing import Any

from gymnasium import spaces
from torch import Tensor

from sb3_scale.nn.base import ConstrainedModule, Extractor, Init
from sb3_scale.nn.extractors import FlattenExtractor
from sb3_scale.nn.linear import linear_layers
from sb3_scale.parts import build
from sb3_scale.protocols import PartConfig


class NetworkExtractor(ConstrainedModule, Extractor):
    """
    A network that reads the flattened observation, and that the critic's loss trains.

    :param observation_space: the environment's space
    :param network: hidden layers, whose last gives the features
    :param constraint: rule that the weights of all layers obey
    :param init: initialisation of the linear layers
    """

    def __init__(
        self,
        observation_space: "spaces.Space[Any]",
        network: PartConfig = "mlp",
        constraint: PartConfig | None = None,
        init: Init = "default",
    ) -> None:
        super().__init__()
        self.flatten = FlattenExtractor(observation_space)
        self.network = build("network", network, self.flatten.features_dim, 1)
        self.features_dim: int = self.network.out_features
        self.initialize(init, constraint)
        # It gives features, and no outputs that decay of weights would tell apart.
        for layer in linear_layers(self):
            layer.output = False

    def forward(self, observations: Any, training: bool = False) -> Tensor:
        """
        :param observations: a tensor, or a mapping of tensors, with the batch first
        :param training: whether norms use the statistics of this batch
        :return: shape ``(batch, features_dim)``
        """
        found: Tensor = self.network(self.flatten(observations).unsqueeze(0), training)[0]
        return found
