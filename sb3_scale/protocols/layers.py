"""What networks, norms and constraints must be."""

from typing import Any, Protocol

from torch import Tensor

PartConfig = str | dict[str, Any]
"""A part in a YAML file: its name, or a mapping with ``name`` and parameters."""

ExtractorConfig = PartConfig | type
"""The same of an extractor, which may be a class of Stable-Baselines3's kind instead."""


class Network(Protocol):
    """
    Hidden layers. Made as ``Network(in_features, n_members, **params)``.

    :param in_features: width of the input
    :param n_members: size of the ensemble
    """

    out_features: int

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: inputs, shape ``(m, b, in_features)``
        :param training: whether norms use the statistics of this batch
        :return: features, shape ``(m, b, out_features)``
        """


class Norm(Protocol):
    """
    Normalises features per member. Made as ``Norm(num_features, n_members, **params)``.

    A norm that cannot be trained with a batch of one has an attribute ``batch_statistics = True``.
    """

    def forward(self, x: Tensor, training: bool = False) -> Tensor:
        """
        :param x: shape ``(m, b, num_features)``
        :param training: whether to use, and remember, the statistics of this batch
        :return: shape ``(m, b, num_features)``
        """


class Constraint(Protocol):
    """
    Keeps weights in a set. Made as ``Constraint(layers, **params)``, or as
    ``Constraint(layers, norms, **params)`` by a :class:`sb3_scale.specs.NormConstraint`, where
    ``norms`` has scale and shift of each norm, see :func:`sb3_scale.nn.norms.norm_parameters`.

    :param layers: all ensemble linear layers of one actor or critic, input first; those that
        give outputs have ``output``
    """

    def project_(self) -> None:
        """Restore the constraint, called at initialisation and after each change of the weights."""
