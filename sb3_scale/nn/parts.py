"""Base classes of the parts that are torch modules."""

from collections.abc import Iterable
from typing import Any, ClassVar

from torch import nn


class Part(nn.Module):
    """A part of a policy that trains nothing of its own and has no constraint."""

    def __init__(self) -> None:
        super().__init__()

    def learners(self, policy: Any) -> Iterable[Any]:
        """
        :param policy: that this part belongs to, complete
        :return: what this part trains beside actor and critic
        """
        return ()

    def project_(self) -> None:
        """Restore the constraint, after each change of the weights."""


class CriticLoss(Part):
    """Base of the critic's losses."""

    reads: ClassVar[tuple[str, ...]]
    """Kinds of outputs that it reads, see :attr:`sb3_scale.nn.values.CriticValue.outputs`."""

    soft_weight: ClassVar[float] = 1.0
    """What soft actor-critic multiplies it by."""

    calibrated: ClassVar[bool] = False
    """Whether it has ``calibrate(values, returns)``."""
