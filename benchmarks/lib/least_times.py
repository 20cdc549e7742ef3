"""
The least time that an update can take on this machine.

A part takes at least the longer of the times of its products and of its traffic; parts follow one
another.
"""

from dataclasses import dataclass
from typing import Any

from lib.counting import Part, Product, count, working_set
from lib.machine import Machine

COLUMNS = ("GFLOP", "MB weights", "MB activations", "MB elementwise", "limit", "at shapes")


@dataclass(frozen=True)
class Limits:
    """
    The least times of the parts of one update, averaged over updates.

    :param machine: its rates
    :param bandwidth: bytes per second
    :param products: seconds of each product at the rate of its shape
    """

    machine: Machine
    bandwidth: float
    products: dict[Product, float]

    def seconds(self, part: Part) -> float:
        """
        :param part: of the update
        :return: with all products at the machine's largest rate
        """
        return self._longer(part, part.flops / self.machine.product_rate)

    def seconds_at_shapes(self, part: Part) -> float:
        """
        :param part: of the update
        :return: with each product at the rate of its shape
        """
        products = sum(self.products[product] for product in part.products)
        return self._longer(part, products + part.other_flops / self.machine.product_rate)

    def _longer(self, part: Part, products: float) -> float:
        return part.share * max(products, part.bytes / self.bandwidth)

    def row(self, part: Part) -> dict[str, float]:
        """
        :param part: of the update
        :return: a value for each of ``COLUMNS``, times in seconds
        """
        values = (
            part.share * part.flops / 1e9,
            part.share * part.parameter_bytes / 1e6,
            part.share * part.activation_bytes / 1e6,
            part.share * part.elementwise_bytes / 1e6,
            self.seconds(part),
            self.seconds_at_shapes(part),
        )
        return dict(zip(COLUMNS, values, strict=True))


def update_limit(model: Any, batch_size: int, machine: Machine) -> float:
    """
    :param model: one of our algorithms with a ScalePolicy
    :param batch_size: transitions per gradient step
    :param machine: its rates
    :return: the least seconds of an update with all products at the machine's largest rate
    """
    limits = Limits(machine, machine.bandwidth_of(working_set(model)), {})
    return sum(limits.seconds(part) for part in count(model, batch_size))
