"""
From a pickle to a description of what it would make: nothing is imported, called or changed.

A pickle is a program. Here every name in it becomes a class that only notes what it was given, so
that the program can run and nothing happens. What is described is then made from a table of names.
"""

import io
import pickle
import pickletools
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from sb3_scale.errors import Sb3ScaleError

EXPANSION = 16
"""Bytes that may be made of each byte of a pickle, which can name one thing many times."""
NODE = 8
"""Bytes that each value counts at least."""
SPARE = 2**20
"""Bytes that any pickle may make."""
DIGITS = 256
"""Bits of the largest whole number: twice those of a generator's state."""

DAMAGED = (
    pickle.UnpicklingError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    RecursionError,
    TypeError,
    ValueError,
)
"""What ``pickle`` raises for bytes that are none."""


class Described:
    """What a pickle would make of a name: its arguments, state and items. See :func:`describe`."""

    name: ClassVar[tuple[str, str]]

    args: tuple[Any, ...]
    state: Any
    items: list[Any]

    def __new__(cls, *args: Any) -> "Described":
        """
        :param args: what the pickle calls the name with
        :return: a note of it
        """
        made = super().__new__(cls)
        made.args, made.state, made.items = args, None, []
        return made

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def append(self, item: Any) -> None:
        """
        :param item: of what would be a list
        """
        self.items.append(item)

    def extend(self, items: list[Any]) -> None:
        """
        :param items: of what would be a list
        """
        self.items.extend(items)

    def __setitem__(self, key: Any, value: Any) -> None:
        self.items.append((key, value))

    def __call__(self, *args: Any) -> Any:
        """
        :param args: without effect
        :raises UnknownNameError: since what is made never is a function
        """
        raise UnknownNameError(".".join(self.name))


@dataclass(frozen=True)
class Names:
    """
    What a reader knows.

    :param makers: by module and name, from a :class:`Described` whose contents are made already to
        what it describes
    :param references: what a name without arguments stands for
    """

    makers: Mapping[tuple[str, str], Callable[[Described], Any]]
    references: Mapping[tuple[str, str], Any]

    def __or__(self, other: "Names") -> "Names":
        return Names({**self.makers, **other.makers}, {**self.references, **other.references})


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type[Described]:
        # Of Python 2, as early protocols write it, and of NumPy 1.
        module = module.replace("__builtin__", "builtins").replace("numpy.core", "numpy._core")
        return type(name, (Described,), {"name": (module, name)})


def read(content: bytes, names: Names, what: str, instead: str = "") -> Any:
    """
    Make what a pickle describes, of known names only.

    :param content: the pickle
    :param names: that may be in it
    :param what: it is, for the message
    :param instead: what else its reader can do about an unknown name, for the message
    :return: the object
    :raises Sb3ScaleError: if it has another name, is no pickle, or would take too much memory
    """
    try:
        described = _described(content)
        return _Maker(names, EXPANSION * len(content) + SPARE).make(described)
    except UnknownNameError as error:
        name = f"'{str(error)[:100]}'"
        # Its authors write code into the pickle, not a name.
        needed = "code that is in the file" if name.startswith("'cloudpickle.") else name
        raise Sb3ScaleError(
            f"{what} needs {needed}, which is not read from files of strangers; "
            f"allowed: {instead}trust=True, which runs whatever is in the file"
        ) from None
    except DAMAGED as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise Sb3ScaleError(f"{what} cannot be read: {reason}") from None


class UnknownNameError(Exception):
    """A pickle has a name that its reader does not know."""


def _described(content: bytes) -> Any:
    with warnings.catch_warnings():
        # Bytes that are no pickle may look like strings with escapes that Python does not know.
        warnings.simplefilter("ignore", DeprecationWarning)
        _check_opcodes(content)
        return _Unpickler(io.BytesIO(content)).load()


def _check_opcodes(content: bytes) -> None:
    for opcode, argument, _ in pickletools.genops(content):
        # The unpickler makes room for as many remembered values as the number says.
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument) > len(content):  # type: ignore[arg-type]
            raise ValueError(f"it remembers {argument} values in {len(content)} bytes")
        if opcode.name.startswith("EXT"):
            raise ValueError("it has a name by number")


class _Maker:
    """Makes what is described, from the innermost on, and counts its bytes as if nothing shared."""

    def __init__(self, names: Names, limit: int) -> None:
        self.names = names
        self.limit = limit
        self.size = 0

    def make(self, value: Any) -> Any:
        self._count(NODE)
        match value:
            case Described():
                return self._make_described(value)
            case type():
                return self._find(self.names.references, value.name)  # type: ignore[attr-defined]
            case str() | bytes() | bytearray():
                self._count(len(value))
                return value
            case dict():
                return {self.make(key): self.make(item) for key, item in value.items()}
            case list() | tuple() | set() | frozenset():
                return type(value)(self.make(item) for item in value)
            case int() if value.bit_length() > DIGITS:
                raise ValueError(f"a whole number has {value.bit_length()} bits")
        return value

    def _make_described(self, value: Described) -> Any:
        maker = self._find(self.names.makers, value.name)
        made = type(value)(*(self.make(argument) for argument in value.args))
        made.state = self.make(value.state)
        made.items = [self.make(item) for item in value.items]
        return maker(made)

    def _count(self, size: int) -> None:
        self.size += size
        if self.size > self.limit:
            raise ValueError("it would make far more than the file holds")

    @staticmethod
    def _find(table: Mapping[tuple[str, str], Any], name: tuple[str, str]) -> Any:
        if name not in table:
            raise UnknownNameError(".".join(name))
        return table[name]
