"""Numbers that users give: what each kind of them may be, from Python as from YAML."""

import math
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
            + _meant(value)
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
            return value if type(value) in (int, float) else float(value)
        low = "above" if self.open else "at least"
        high = ", and finite" if self.high == math.inf else f", at most {self.high:g}"
        raise Sb3ScaleError(
            f"{name} is {shown(value)}; allowed: a number, {low} {self.low:g}{high}{_meant(value)}"
        )

    def _has(self, value: Any) -> bool:
        above = self.low < value if self.open else self.low <= value
        return bool(above and value <= self.high and value != math.inf)


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


def _meant(value: object) -> str:
    """What to write for text, or for a number with a point, that is a number."""
    if not isinstance(value, (str, float)):
        return ""
    try:
        number = float(value)
    except ValueError:
        return ""
    if not abs(number) < 1e15:
        return ""
    plain = int(number) if number.is_integer() else number
    return "" if repr(plain) == repr(value) else f"; write {plain} for {shown(value)}"
