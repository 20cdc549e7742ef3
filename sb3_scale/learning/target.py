"""Polyak copies."""

from collections.abc import Callable

import torch as th
from torch import nn


class Target:
    """
    A part and its Polyak copy.

    :param online: the part
    :param copy: made of it
    :param buffers: of a module, those that a copy takes over, such as running statistics
    """

    def __init__(
        self,
        online: nn.Module,
        copy: nn.Module,
        buffers: Callable[[nn.Module], list[th.Tensor]],
    ) -> None:
        self.online, self.copy = online, copy
        self.weights: tuple[list[th.Tensor], list[th.Tensor]]
        self.weights = list(copy.parameters()), list(online.parameters())
        self.buffers = buffers(copy), buffers(online)

    @th.no_grad()
    def follow(self, tau: float) -> None:
        """
        Move the copy's parameters by ``tau``, and take over the buffers.

        :param tau: share of the part
        """
        th._foreach_lerp_(*self.weights, tau)
        if self.buffers[0]:
            th._foreach_copy_(*self.buffers)
        self.copy.project_()  # type: ignore[operator]
