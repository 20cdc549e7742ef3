"""Runs the code of strangers that an import runs: whatever it does, the tool goes on and tells."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, redirect_stdout, suppress
from types import FrameType

from sb3_scale.errors import Sb3ScaleError

LONGEST = 500
"""Letters of a stranger's message that are told."""

_alone = threading.RLock()
"""Standard output is the process's: two threads would put back each other's."""


def look_here() -> None:
    """Import from the present folder as ``python -m`` does, but behind what is installed."""
    # A folder that was removed has no modules.
    with suppress(FileNotFoundError):
        if (here := os.getcwd()) not in sys.path:
            sys.path.append(here)


def told(error: BaseException) -> str:
    """
    :param error: of anybody
    :return: its class and message on one line
    """
    name = type(error).__name__
    # A class of a stranger may fail to make its text, too.
    try:
        text = " ".join(str(error).split())
    except Exception:
        return f"{name}, whose message cannot be made"
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]} ..."
    return f"{name}: {text}" if text else name


@contextmanager
def telling() -> Iterator[None]:
    """
    Around code of a stranger: whatever it raises, ``sys.exit`` and the panic of an extension too,
    becomes one exception. Ctrl-C of the user stays what it is.

    :raises Sb3ScaleError: if something is raised, with its class and message as the text
    """
    with _interrupts() as interrupts:
        try:
            yield
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and interrupts:
                raise
            raise Sb3ScaleError(told(error)) from error


@contextmanager
def importing() -> Iterator[None]:
    """
    Around an import of a stranger's module: :func:`telling`, and what it prints goes to the error
    output.

    :raises Sb3ScaleError: if something is raised, with its class and message as the text
    """
    with _alone, printing_to_errors(), telling():
        yield


def importing_module(name: str) -> AbstractContextManager[None]:
    """
    :param name: of a stranger's module
    :return: :func:`importing`, or :func:`telling` where an import of it runs nothing any more
    """
    return telling() if name in sys.modules else importing()


@contextmanager
def _interrupts() -> Iterator[list[int]]:
    """The signals of Ctrl-C that arrive: code that raises KeyboardInterrupt itself sends none."""
    seen: list[int] = []
    previous = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(previous):
        yield seen
        return

    def note(number: int, frame: FrameType | None) -> None:
        seen.append(number)
        previous(number, frame)

    signal.signal(signal.SIGINT, note)
    try:
        yield seen
    finally:
        if signal.getsignal(signal.SIGINT) is note:
            signal.signal(signal.SIGINT, previous)


@contextmanager
def printing_to_errors() -> Iterator[None]:
    """Standard output belongs to results; libraries in C and child processes print there too."""
    with redirect_stdout(sys.stderr):
        try:
            kept = os.dup(1)
        except OSError:
            # A process without standard output.
            yield
            return
        try:
            os.dup2(2, 1)
            yield
        finally:
            os.dup2(kept, 1)
            os.close(kept)
