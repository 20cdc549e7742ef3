"""Numbers that users give, in Python, YAML or a command line: what each kind of them may be."""

import argparse
import math
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

from sb3_scale.errors import Sb3ScaleError, shown


@dataclass(frozen=True)
class Whole:
    """
    A whole number, such as a size; a NumPy integer becomes a plain one.

    :param least: allowed
    :param most: allowed
    """

    least: int
    most: float = math.inf

    def __call__(self, name: str, value: Any) -> int:
        """
        :param name: of the argument
        :param value: as the user gave it
        :return: the same
        :raises Sb3ScaleError: if it is no such number
        """
        if is_number(value, Integral) and self.least <= value <= self.most:
            return int(value)
        top = "" if self.most == math.inf else f", at most {self.most}"
        raise Sb3ScaleError(
            f"{name} is {shown(value)}; allowed: a whole number, at least {self.least}{top}"
            + self._meant(value)
        )

    def _meant(self, value: Any) -> str:
        number = _number_in(value)
        if number is None or not (number.is_integer() and self.least <= number <= self.most):
            return ""
        return (
            f"; write {int(number)}, {'not text' if isinstance(value, str) else 'without a point'}"
        )


@dataclass(frozen=True)
class Within:
    """
    A number in an interval; one of NumPy becomes a plain one.

    :param low: end of the interval
    :param high: end of the interval, which is allowed if it is finite
    :param open: whether ``low`` itself is not allowed
    """

    low: float
    high: float = math.inf
    open: bool = False

    def __call__(self, name: str, value: Any) -> float:
        """
        :param name: of the argument
        :param value: as the user gave it
        :return: the same
        :raises Sb3ScaleError: if it is no such number
        """
        if is_number(value) and self._has(value):
            small_int = type(value) is int and abs(value) < 2**53
            return value if small_int else float(value)
        low = "above" if self.open else "at least"
        high = ", and finite" if self.high == math.inf else f", at most {self.high:g}"
        raise Sb3ScaleError(
            f"{name} is {shown(value)}; allowed: a number, {low} {self.low:g}{high}"
            + self._meant(value)
        )

    def _meant(self, value: Any) -> str:
        number = _number_in(value) if isinstance(value, str) else None
        return "" if number is None or not self._has(number) else f"; write {number:g}, not text"

    def _has(self, value: Any) -> bool:
        try:
            number = float(value)
        except OverflowError:
            return False
        above = self.low < number if self.open else self.low <= number
        return above and number <= self.high and number != math.inf


def is_number(value: Any, kind: type = Real) -> bool:
    """
    :param value: of any type
    :param kind: of ``numbers``
    :return: whether it is a number, which true and false are not
    """
    return isinstance(value, kind) and not isinstance(value, bool)


def flag(name: str, value: object) -> bool:
    """
    :param name: of the argument
    :param value: as the user gave it
    :return: the same
    :raises Sb3ScaleError: if it is neither true nor false
    """
    if isinstance(value, bool):
        return value
    raise Sb3ScaleError(f"{name} is {shown(value)}; allowed: true, false")


def _number_in(value: Any) -> float | None:
    """The number that a text or a float is, if it is one that can be written out."""
    if not isinstance(value, (str, float)):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None


def whole_number(value: Any) -> Any:
    """
    :param value: as a user gave it
    :return: the same, a plain whole number where it is one that is written as a fraction: 1e6
    """
    if not is_number(value) or isinstance(value, Integral):
        return value
    return int(value) if float(value).is_integer() else value


def at_least(least: int) -> Callable[[str], int]:
    """
    :param least: number that the command line may have
    :return: what reads it there, and says what is allowed
    """

    def read(text: str) -> int:
        if not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r}; allowed: a whole number, at least {least}")
        return int(text)

    return read
