"""How a command says what ``trust`` does in Python."""

from collections.abc import Iterator
from contextlib import contextmanager

from sb3_scale.errors import Sb3ScaleError

TRUST = "allowed: --trust, which runs whatever is in the files"


@contextmanager
def for_a_command() -> Iterator[None]:
    """
    What says how to trust in Python says how to trust by the command.

    :raises Sb3ScaleError: as the block, and where that allows ``trust=True``, with :data:`TRUST`
    """
    try:
        yield
    except Sb3ScaleError as error:
        sentence, _, allowed = str(error).rpartition("; allowed: ")
        if "trust=True" not in allowed:
            raise
        raise Sb3ScaleError(f"{sentence}; {TRUST}") from None
