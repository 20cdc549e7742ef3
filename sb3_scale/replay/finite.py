"""Numbers that a network in float32 can read."""

from typing import Any

import numpy as np

LARGEST = float(np.finfo(np.float32).max)

_SURE = 1e37
"""A sum of squares up to this leaves no doubt; one call of BLAS finds it."""


def all_finite(array: np.ndarray) -> bool:
    """
    :param array: of any shape and type
    :return: whether float32 holds each number; NaN, infinity and 1e40 it does not
    """
    if array.dtype.kind != "f":
        return array.dtype.kind in "biu"
    if array.itemsize > 2 and np.vdot(array, array) <= _SURE:
        return True
    return bool(_held(array).all())


def first_wrong(array: np.ndarray) -> tuple[tuple[int, ...], Any]:
    """
    :param array: of which :func:`all_finite` is false
    :return: place and value of the first number that float32 does not hold
    """
    is_number = array.dtype.kind == "f"
    wrong = ~_held(array) if is_number else np.ones(array.shape, bool)
    place = tuple(int(each) for each in np.argwhere(wrong)[0])
    return place, array[place]


def _held(array: np.ndarray) -> np.ndarray:
    # Of a type that LARGEST would overflow, all finite numbers are below it.
    held: np.ndarray = np.isfinite(array) if array.itemsize <= 4 else np.abs(array) <= LARGEST
    return held
