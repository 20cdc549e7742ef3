"""A benchmark's process that is idle between its turns."""

import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

Ask = Callable[..., list[float]]
"""Sends words in one line, and gives the numbers of the answer."""


@contextmanager
def worker(command: Sequence[str]) -> Iterator[Ask]:
    """
    :param command: starts it; it prints a line when it is ready, and one for each line that it
        reads
    :return: how to ask it, once it is ready: only one process computes at a time
    """
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        if not process.stdout.readline():
            sys.exit(f"'{' '.join(command)}' does not run: see its message above")

        def ask(*words: object) -> list[float]:
            print(*words, file=process.stdin, flush=True)
            return [float(word) for word in process.stdout.readline().split()]  # type: ignore[union-attr]

        yield ask
