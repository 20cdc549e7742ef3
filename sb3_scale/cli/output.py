"""How the subcommands print."""

import json
import os
import sys
from typing import Any, NoReturn

from rich.console import Console

CLOSED_PIPE = 141
"""Exit status of a Unix tool that SIGPIPE ends."""


FILE = 10_000
"""Columns where there is no terminal."""


class _Console(Console):
    def on_broken_pipe(self) -> NoReturn:
        raise BrokenPipeError


def make_console() -> Console:
    """
    :return: a console that prints text as it is: formulas have square brackets and colons. In a
        pipe or a file a row of a table is a line, unless ``COLUMNS`` says how wide it may be
    """
    console = _Console(markup=False, emoji=False, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = FILE
    return console


def print_json(data: Any) -> None:
    """
    :param data: plain data
    """
    print(json.dumps(data, indent=2))


def flush() -> None:
    """
    :raises BrokenPipeError: if nobody reads standard output any more, as after ``| head -1``
    """
    if sys.stdout is not None:
        sys.stdout.flush()


def give_up_output() -> None:
    """Let Python's last flush go nowhere: it would tell of the pipe or the disk once more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
