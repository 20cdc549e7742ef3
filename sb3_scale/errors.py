"""Errors that sb3_scale raises for its users, and the wording that they share."""

import difflib
from collections.abc import Iterable


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
