"""Errors that sb3_scale raises for its users, and the wording that they share."""

import difflib
import math
from collections.abc import Collection, Iterable


class Sb3ScaleError(ValueError):
    """
    A mistake in a configuration, an installation or a file, told in one sentence.

    It is a ``ValueError`` so that code written for Stable-Baselines3 catches it as before.
    """


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
        text = f"{lack} '{key}' (its value was {value!r})"
        raise Sb3ScaleError(text + suggestion(str(key), known))


def check_at_least(least: float, **values: float) -> None:
    """
    :param least: allowed, as is everything above but infinity
    :param values: parameters of a part by name, of the type that the part asks for
    :raises ValueError: if one is less, infinite or no number
    """
    for name, value in values.items():
        if not least <= value < math.inf:
            raise ValueError(f"{name} is {value}; allowed: at least {least}{_finite(value)}")


def check_above(bound: float, **values: float) -> None:
    """
    :param bound: not allowed itself
    :param values: parameters of a part by name, of the type that the part asks for
    :raises ValueError: if one is not above it, infinite or no number
    """
    for name, value in values.items():
        if not bound < value < math.inf:
            raise ValueError(f"{name} is {value}; allowed: above {bound}{_finite(value)}")


def _finite(value: float) -> str:
    return ", and finite" if isinstance(value, float) else ""
