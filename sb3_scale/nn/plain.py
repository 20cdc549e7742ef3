"""Modules that know nothing of this library, completed to parts."""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from sb3_scale.nn.base import CriticLoss, Extractor
from sb3_scale.specs import Extractor as ExtractorSpec

MODE_DEPENDENT = (
    nn.modules.batchnorm._NormBase,
    nn.modules.dropout._DropoutNd,
    nn.MultiheadAttention,
)
"""Layers that need to be told whether they are trained."""


class PlainLoss(CriticLoss):
    """
    A function of outputs and target as a loss, which reads scalars unless it says otherwise.

    :param function: a module, or anything that can be called
    """

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function
        names = ("reads", "soft_weight", "calibrated", "calibrate", "learners", "project_")
        _take_over(self, function, names)

    def forward(self, outputs: Tensor, target: Tensor) -> Tensor:
        """
        :param outputs: shape ``(n_critics, batch, n_outputs)``
        :param target: of the critic's ``bootstrap``
        :return: what the function gives
        """
        return self.function(outputs, target)


class PlainExtractor(Extractor):
    """
    A module of observations as an extractor, such as those of Stable-Baselines3.

    A module whose ``forward`` knows no ``training`` gets the mode as Stable-Baselines3 tells it, by
    the attribute of its layers.

    :param module: with ``features_dim``
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        self.told_mode = "training" in inspect.signature(module.forward).parameters
        layers = [each for each in module.modules() if isinstance(each, MODE_DEPENDENT)]
        self.switched = [] if self.told_mode else layers
        _take_over(
            self,
            module,
            (*ExtractorSpec.attributes, *set(ExtractorSpec.methods) - {"forward", "state_dict"}),
        )

    def __getattr__(self, name: str) -> Any:
        """What it does not have itself is the module's."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name == "module":
                raise
        return getattr(self.module, name)

    def forward(self, observations: Any, training: bool = False) -> Tensor:
        """
        :param observations: as any extractor gets them
        :param training: told to a module that knows the argument
        :return: shape ``(batch, features_dim)``
        """
        features: Tensor
        if self.told_mode:
            features = self.module(observations, training=training)
        else:
            # Where nothing is trained, nothing is remembered.
            for layer in self.switched:
                layer.training = training and torch.is_grad_enabled()
            features = self.module(observations)
        return features


def _take_over(part: nn.Module, given: Any, names: Iterable[str]) -> None:
    """What a module has of its kind beats the base class."""
    for name in set(names) & set(dir(given)):
        setattr(part, name, getattr(given, name))
