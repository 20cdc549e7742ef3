"""Errors that sb3_scale raises for its users, and the wording that they share."""

import difflib
import math
import reprlib
from collections.abc import Collection, Iterable, Mapping
from typing import Any

WIDTH = 300
"""Characters of a value in a message."""

MOST_LAYERS = 1000
"""Of a network: more than anybody has trained, and few enough to be made in seconds."""


class Sb3ScaleError(ValueError):
    """
    A mistake in a configuration, an installation or a file, told in one sentence.

    It is a ``ValueError`` so that code written for Stable-Baselines3 catches it as before.
    """


class _Short(reprlib.Repr):
    """Keeps the order of keys, and never fails."""

    def __init__(self) -> None:
        super().__init__()
        self.maxlevel = 5
        self.maxdict = self.maxlist = self.maxtuple = self.maxset = 8
        self.maxstring = self.maxother = 100

    def repr_dict(self, x: Mapping[Any, Any], level: int) -> str:
        if level <= 0 and x:
            return "{...}"
        keys = list(x)[: self.maxdict]
        shown = [f"{self.repr1(key, level - 1)}: {self.repr1(x[key], level - 1)}" for key in keys]
        return f"{{{', '.join(shown + ['...'] * (len(x) > len(keys)))}}}"

    def repr_int(self, x: int, level: int) -> str:
        # Python refuses to print very long ones.
        if x.bit_length() > 128:
            return f"a number of {round(x.bit_length() * math.log10(2))} digits"
        return repr(x)

    def repr_ndarray(self, x: Any, level: int) -> str:
        return f"array of shape {x.shape}" if x.size > self.maxlist else self.repr_instance(x, 1)


_short = _Short()


def shown(value: object, width: int = WIDTH) -> str:
    """
    :param value: what a user gave, of any size, even one that holds itself
    :param width: characters at most
    :return: as Python writes it, in one short line
    """
    text = " ".join(_short.repr(value).split())
    return text if len(text) <= width else f"{text[: width - 40]}...{text[-37:]}"


def shortened(name: object) -> str:
    """
    :param name: of a key that a user wrote
    :return: the same without quotes, at most about a hundred letters
    """
    return shown(str(name))[1:-1]


def suggestion(name: str, known: Iterable[str]) -> str:
    """
    Say what is allowed and what was probably meant.

    :param name: what the user wrote
    :param known: what exists
    :return: ``"; allowed: a, b; did you mean 'a'?"``, without the last part if nothing is near
    """
    names = sorted(known)
    return f"; allowed: {', '.join(names) or 'none'}" + nearest(name, names)


def nearest(name: str, known: Iterable[str]) -> str:
    """
    Say what was probably meant.

    :param name: what the user wrote
    :param known: what exists
    :return: ``"; did you mean 'a'?"``, empty if nothing is near
    """
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean '{near[0]}'?" if near else ""


def check_key(lack: str, key: object, value: object, known: Collection[str]) -> None:
    """
    :param lack: who would not know it, and as what: ``"sac has no setting"``
    :param key: what the user wrote
    :param value: that came with it
    :param known: what exists
    :raises Sb3ScaleError: if there is no such key
    """
    if key not in known:
        text = f"{lack} {shown(str(key))} (its value was {shown(value, 150)})"
        raise Sb3ScaleError(text + suggestion(str(key), known))


def check_at_least(least: float, **values: float) -> None:
    """
    :param least: allowed, as is everything above but infinity
    :param values: parameters of a part by name, of the type that the part asks for
    :raises ValueError: if one is less, infinite or no number
    """
    for name, value in values.items():
        if not least <= value < math.inf:
            raise ValueError(f"{name} is {shown(value)}; allowed: at least {least}{_finite(value)}")


def check_within(least: float, most: float, **values: float) -> None:
    """
    :param least: allowed
    :param most: allowed
    :param values: parameters of a part by name, of the type that the part asks for
    :raises ValueError: if one is less or more, or no number
    """
    for name, value in values.items():
        if not least <= value <= most:
            raise ValueError(f"{name} is {shown(value)}; allowed: from {least} to {most}")


def check_above(bound: float, **values: float) -> None:
    """
    :param bound: not allowed itself
    :param values: parameters of a part by name, of the type that the part asks for
    :raises ValueError: if one is not above it, infinite or no number
    """
    for name, value in values.items():
        if not bound < value < math.inf:
            raise ValueError(f"{name} is {shown(value)}; allowed: above {bound}{_finite(value)}")


def check_depth(least: int, depth: int) -> None:
    """
    :param least: allowed
    :param depth: number of layers or blocks of a network
    :raises ValueError: if it is less, or more than anybody can train
    """
    if not least <= depth <= MOST_LAYERS:
        raise ValueError(
            f"depth is {shown(depth)}; allowed: at least {least}, at most {MOST_LAYERS}"
        )


def _finite(value: float) -> str:
    return ", and finite" if isinstance(value, float) else ""
