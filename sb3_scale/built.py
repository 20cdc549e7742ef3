"""What is known of the parts that were made, and how a plain module becomes a part."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from sb3_scale.specs import Spec


@dataclass(frozen=True)
class Built:
    """
    A part that was made.

    :param spec: what its plugin says of it
    :param part: itself
    :param context: the arguments that the core passed
    """

    spec: Spec
    part: Any
    context: tuple[Any, ...]

    @property
    def kind(self) -> str:
        """Its part kind."""
        return self.spec.kind

    @property
    def name(self) -> str:
        """Its name."""
        return self.spec.name


_built: ContextVar[list[Built] | None] = ContextVar("built", default=None)


@contextmanager
def recorded_parts() -> Iterator[list[Built]]:
    """
    :return: the parts that are built inside the ``with`` block, each after those that it is made of
    """
    built: list[Built] = []
    token = _built.set(built)
    try:
        yield built
    finally:
        _built.reset(token)


def record(made: Built) -> None:
    """
    :param made: for the ``with`` block of :func:`recorded_parts` that is under way, if there is one
    """
    built = _built.get()
    if built is not None:
        built.append(made)


def completed(kind: type[Spec], part: Any) -> Any:
    """
    :param kind: its kind
    :param part: what a plugin's code gave
    :return: the part, or one made of a module that knows nothing of this library
    """
    has = set(dir(part))
    if not kind.plain or not callable(part) or has.issuperset((*kind.methods, *kind.attributes)):
        return part
    if not has.issuperset(kind.plain_needs):
        return part
    module, _, attribute = kind.plain.partition(":")
    return getattr(importlib.import_module(module), attribute)(part)
