"""What this machine can do: its rate of float32 matrix products and its memory bandwidth."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch as th

from lib.counting import FLOAT, Part, Product
from sb3_scale.execution.matmul_precision import exact_fast_matmul

SIZES = (1024, 1536, 2048, 3072)
"""Of square products, the largest rate of which counts."""

Operands = tuple[th.Tensor, th.Tensor, th.Tensor]
"""Two factors and the result."""

PASSES = 3
"""Over all products of an update, so that a disturbance does not meet one of them alone."""

L3 = Path("/sys/devices/system/cpu/cpu0/cache/index3/size")


@dataclass(frozen=True)
class Machine:
    """
    Rates of one device.

    :param device: ``cpu`` or ``cuda``
    :param product_rate: operations per second of large float32 products
    :param cache: bytes of the last level of cache
    :param cached_bandwidth: bytes per second read and written inside that cache
    :param bandwidth: bytes per second read and written outside of it
    """

    device: th.device
    product_rate: float
    cache: int
    cached_bandwidth: float
    bandwidth: float

    def or_better(self, other: "Machine") -> "Machine":
        """
        :param other: the rates of the same machine, measured at another time
        :return: the best of both, since others who use the machine can only slow it down
        """
        return Machine(
            self.device,
            max(self.product_rate, other.product_rate),
            self.cache,
            max(self.cached_bandwidth, other.cached_bandwidth),
            max(self.bandwidth, other.bandwidth),
        )

    def bandwidth_of(self, working_set: int) -> float:
        """
        :param working_set: bytes
        :return: bytes per second
        """
        return self.cached_bandwidth if working_set < self.cache else self.bandwidth


def call_seconds(call: Callable[[], object], device: th.device, seconds: float) -> list[float]:
    """
    :param call: what to time
    :param device: where it runs
    :param seconds: how long to repeat it
    :return: of each call after the first
    """
    call()
    times: list[float] = []
    end = time.perf_counter() + seconds
    while not times or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        if device.type == "cuda":
            th.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return times


def operands(product: Product, device: th.device) -> Operands:
    """
    :param product: of one layer
    :param device: where
    :return: the factors, in the layout that its kind has, and the result
    """
    shape = product.members, product.rows
    x = th.randn(*shape, product.inputs, device=device)
    grad = th.randn(*shape, product.outputs, device=device)
    weight = th.randn(product.members, product.inputs, product.outputs, device=device)
    left, right = {
        "forward": (x, weight),
        "input gradient": (grad, weight.mT),
        "weight gradient": (x.mT, grad),
    }[product.kind]
    return left, right, left @ right


def product_seconds(product: Product, device: th.device, seconds: float) -> float:
    """
    :param product: of one layer
    :param device: where
    :param seconds: how long to measure each of two ways
    :return: of the faster way: one batched product, or one product per member
    """
    left, right, out = operands(product, device)
    members = list(zip(left, right, out, strict=True))

    def loop() -> None:
        for one, other, result in members:
            th.mm(one, other, out=result)

    with exact_fast_matmul(device):
        batched = call_seconds(lambda: th.bmm(left, right, out=out), device, seconds)
        return min(batched + call_seconds(loop, device, seconds))


def multiply(products: Iterable[Operands]) -> None:
    """
    :param products: what to multiply, and where the results go
    """
    for left, right, out in products:
        th.bmm(left, right, out=out)


def seconds_in_turn(parts: Iterable[Part], device: th.device, seconds: float) -> float:
    """
    Time the products of an update one after another, with arrays of their own and nothing between
    them: what is left of their rates where each finds the caches as the others leave them.

    :param parts: of the update
    :param device: where
    :param seconds: how long to measure
    :return: of the products per update, the median over passes
    """
    calls = [(part.share, operands(product, device)) for part in parts for product in part.products]
    mean = 0.0
    for share in {share for share, _ in calls}:
        # The steps on which the parts of this share are due, and no rarer ones.
        due = [each for other, each in calls if other >= share]
        rarer = max((other for other, _ in calls if other < share), default=0.0)

        with exact_fast_matmul(device):
            times = call_seconds(partial(multiply, due), device, seconds)
        mean += (share - rarer) * float(np.median(times))
    return mean


def product_times(products: Iterable[Product], device: th.device) -> dict[Product, float]:
    """
    :param products: of layers
    :param device: where
    :return: the least seconds of each, over passes that visit all of them
    """
    times: dict[Product, float] = dict.fromkeys(products, float("inf"))
    for _ in range(PASSES):
        for product, best in times.items():
            times[product] = min(best, product_seconds(product, device, 0.015))
    return times


def measure_machine(device: str = "cpu") -> Machine:
    """
    :param device: ``cpu`` or ``cuda``
    :return: its rates, measured for about two seconds
    """
    where = th.device(device)
    squares = [Product("forward", 1, size, size, size) for size in SIZES]
    rate = max(square.flops / product_seconds(square, where, 0.15) for square in squares)
    if where.type == "cuda":
        cache: int = th.cuda.get_device_properties(where).L2_cache_size
    else:
        cache = 1024 * int(L3.read_text().strip().removesuffix("K"))
    return Machine(where, rate, cache, _copy_rate(cache // 4, where), _copy_rate(8 * cache, where))


def _copy_rate(size: int, device: th.device) -> float:
    source = th.zeros(size // FLOAT, device=device)
    target = th.ones_like(source)
    return 2 * size / min(call_seconds(lambda: target.copy_(source), device, 0.3))
