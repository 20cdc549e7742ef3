"""What actors and critics share: how their weights start, and the rule that the weights obey."""

import math
from typing import Literal

from torch import nn

from sb3_scale.nn.linear import linear_layers, orthogonal_
from sb3_scale.parts import build
from sb3_scale.protocols import Constraint, PartConfig

Init = Literal["default", "orthogonal"]
"""Initialisation: that of ``torch.nn.Linear``, or orthogonal, of hidden layers with gain sqrt 2."""


class ConstrainedModule(nn.Module):
    """Base of actors and critics: call :meth:`finish` when all layers exist."""

    def __init__(self) -> None:
        super().__init__()
        self.constraint: Constraint | None = None

    def finish(self, init: Init, constraint: PartConfig | None, output_gain: float = 1.0) -> None:
        """
        Initialise all ensemble linear layers and put the constraint on them.

        :param init: ``default`` leaves the layers as they are made
        :param constraint: the constraint part, or nothing
        :param output_gain: of the last layer's orthogonal initialisation
        """
        layers = linear_layers(self)
        if init == "orthogonal":
            orthogonal_(layers, gain=math.sqrt(2), output_gain=output_gain)
        if constraint is not None:
            self.constraint = build("constraint", constraint, layers)
            self.project_()

    def project_(self) -> None:
        """Restore the constraint, after each change of the weights."""
        if self.constraint is not None:
            self.constraint.project_()
