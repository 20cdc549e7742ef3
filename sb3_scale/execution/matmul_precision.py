"""Faster matrix products: by oneDNN where it is exact, or rounded where that is asked for."""

import functools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import torch as th

P = ParamSpec("P")
R = TypeVar("R")

SIZES = {"cpu": 512, "cuda": 4096}
"""Rows and columns of what is multiplied to measure."""
PRODUCTS = 8
"""Between two looks at the clock."""
MEASURED = 0.05
"""Seconds for each measurement."""

MAX_ERROR = 1e-5
"""Largest relative error that counts as float32; products in bfloat16 have about 4e-3."""

# Missing before PyTorch 2.9; PyTorch makes the attribute at run time, so mypy cannot see it.
_settings: Any = getattr(th.backends.mkldnn, "matmul", None)


@contextmanager
def exact_fast_matmul(device: th.device) -> Iterator[None]:
    """
    Compute the float32 products of the block by oneDNN instead of MKL, where both are exact.

    PyTorch takes oneDNN for float32 products only if it may round their inputs to bfloat16. A CPU
    without bfloat16 matrix units does not round, and its float32 kernels are then up to twice as
    fast as MKL's, which has none for AVX-512 on processors of AMD. Where the CPU would round,
    nothing is changed.

    :param device: where the products are computed; only ``cpu`` is affected
    """
    if device.type != "cpu" or not _onednn_is_exact():
        yield
        return
    with _rounding_allowed():
        yield


@contextmanager
def _rounding_allowed() -> Iterator[None]:
    before = _settings.fp32_precision
    _settings.fp32_precision = "bf16"
    try:
        yield
    finally:
        _settings.fp32_precision = before


def bfloat16_matmul(function: Callable[P, R], device: th.device) -> Callable[P, R]:
    """
    Have the matrix products of a function, and of the gradients that it computes, round what they
    multiply, and their result, to bfloat16 (8 bits of mantissa).

    :param function: the function
    :param device: where it computes
    :return: the same function with rounded products
    """

    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        # Without the cache of rounded weights: each is rounded once anyway, and a captured graph
        # must not read those of another step.
        with th.autocast(device.type, th.bfloat16, cache_enabled=False):
            return function(*args, **kwargs)

    return call


def bfloat16_gain(device: th.device) -> float:
    """
    Measure what :func:`bfloat16_matmul` may gain, in a tenth of a second.

    :param device: where to multiply, ``cpu`` or ``cuda``
    :return: products of bfloat16 in the time of one of float32
    """
    rounded, exact = (_products_per_second(device, dtype) for dtype in (th.bfloat16, th.float32))
    return rounded / exact


def _products_per_second(device: th.device, dtype: th.dtype) -> float:
    size = SIZES[device.type]
    factor = th.ones(size, size, device=device, dtype=dtype)
    # The first product has kernels to choose or to make.
    float((factor @ factor)[0, 0])
    count, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < MEASURED:
        products = [factor @ factor for _ in range(PRODUCTS)]
        float(products[-1][0, 0])
        count += PRODUCTS
    return count / spent


@functools.cache
def _onednn_is_exact() -> bool:
    if _settings is None or not th.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    generator = th.Generator().manual_seed(0)
    left, right = (th.randn(256, 256, dtype=th.float64, generator=generator) for _ in range(2))
    exact = left.float().double() @ right.float().double()
    with _rounding_allowed():
        product = left.float() @ right.float()
    return bool((product - exact).abs().max() < MAX_ERROR * exact.abs().max())
