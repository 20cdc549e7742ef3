"""Sums of numbers that change, to draw indices in proportion to them."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

FAN_OUT = 16
"""Children per node. Measured with a million numbers: 8 to 32 are alike, more take longer."""


class SumTree:
    """
    Non-negative numbers, and the sums of groups of them, of groups of groups, and so on.

    Sums are computed anew from the numbers below, so rounding errors do not add up.

    :param size: how many numbers, all 0
    """

    def __init__(self, size: int) -> None:
        self.levels: list[Floats] = []
        while not self.levels or size > 1:
            size = -(-size // FAN_OUT)
            self.levels.append(np.zeros((size, FAN_OUT)))

    @property
    def total(self) -> float:
        """Of all numbers."""
        return float(self.levels[-1].sum())

    def __getitem__(self, index: Indices) -> Floats:
        """
        :param index: of numbers, ``(k,)``
        :return: these numbers
        """
        return self.levels[0].reshape(-1)[index]

    def __setitem__(self, index: Indices, values: Floats | float) -> None:
        """
        :param index: of numbers, ``(k,)``; of one that is named twice the last value counts
        :param values: finite and not negative
        """
        self.levels[0].reshape(-1)[index] = values
        for below, above in zip(self.levels, self.levels[1:], strict=False):
            index = index // FAN_OUT
            above.reshape(-1)[index] = below[index].sum(axis=1)

    def find(self, shares: Floats) -> Indices:
        """
        :param shares: in [0, 1), ``(k,)``
        :return: where the running sum of the numbers passes each share of their total; a number
            that is 0 is never found
        """
        node = np.zeros(len(shares), np.int64)
        rest = shares * self.total
        for level in reversed(self.levels):
            running = level[node].cumsum(axis=1)
            # Sums of a level above are rounded in another order.
            rest = np.minimum(rest, np.nextafter(running[:, -1], 0))
            child = (running <= rest[:, None]).sum(axis=1)
            before = np.where(child, running[np.arange(len(child)), child - 1], 0)
            rest = rest - before
            node = node * FAN_OUT + child
        return node
