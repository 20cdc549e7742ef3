"""A convolution whose weights are a matrix."""

import torch
from torch import Tensor
from torch.nn import functional

from sb3_scale.nn.linear import EnsembleLinear

KERNEL = 3
"""Pixels along a side of each kernel."""


class Convolution(EnsembleLinear):
    """
    A convolution without padding, as the linear layer of each patch that it is.

    The rows of the weight are the rows, columns and channels of a patch, in this order, so that
    initialisations, constraints and diagnostics of linear layers hold for it.

    :param in_channels: of the input
    :param out_channels: of the output
    :param stride: pixels from one patch to the next
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__(in_channels * KERNEL * KERNEL, out_channels, 1)
        self.in_channels = in_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        """
        :param x: shape ``(batch, in_channels, height, width)``
        :return: shape ``(batch, out_channels, new height, new width)``
        """
        weight = self.weight if self.scale is None else self.weight * self.scale(self.weight)
        kernel = weight[0].t().unflatten(1, (KERNEL, KERNEL, self.in_channels))
        kernel = kernel.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
        assert self.bias is not None
        return functional.conv2d(x, kernel, self.bias.flatten(), self.stride)

    def new_size(self, size: int) -> int:
        """
        :param size: pixels along a side of the input
        :return: along that side of the output, below 1 where the input is too small
        """
        return (size - KERNEL) // self.stride + 1
