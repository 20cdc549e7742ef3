"""Runs trials in processes that may hang, exit or run out of memory."""

import multiprocessing
import os
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection, wait
from typing import Any

import torch
from fuzz_settings import Case, case
from fuzz_trials import ENVS, Outcome, attempt, register

LIMIT = 60.0
"""Seconds after which a trial counts as one that hangs; the compiler gets five times as long."""

MEMORY = 8 << 30
"""Bytes that a trial may take."""

TRIALS = 100
"""Of one process, so that what one leaves behind does not add up."""

Number = tuple[int, int]
"""Seed and number of a case."""


class _Worker:
    """A process with a trial at a time."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()
        self.trials = 0
        self.current: Number | None = None
        self.since = 0.0

    def give(self, number: Number) -> None:
        self.current, self.since = number, time.monotonic()
        self.trials += 1
        self.connection.send(number)

    def answer(self) -> Outcome | None:
        """How the current trial ended, or nothing yet."""
        assert self.current is not None
        seconds = time.monotonic() - self.since
        try:
            if self.connection.poll():
                outcome: Outcome = self.connection.recv()
                self.current = None
                return replace(outcome, seconds=seconds)
        except (EOFError, ConnectionResetError):
            self.process.join()
            return Outcome("fault", f"the process died ({self.process.exitcode})", seconds)
        compiled = case(*self.current, ENVS).settings.get("compile") is True
        if seconds > LIMIT * (5 if compiled else 1):
            self.process.kill()
            return Outcome("fault", f"it was at work for {seconds:.0f} s", seconds)
        return None

    @property
    def usable(self) -> bool:
        return self.current is None and self.trials < TRIALS

    def end(self) -> None:
        if self.current is None:
            self.connection.send(None)
        else:
            self.process.kill()
        self.process.join()
        self.connection.close()


def outcomes(numbers: Sequence[Number], processes: int) -> Iterator[tuple[Case, Outcome]]:
    """
    :param numbers: of the cases
    :param processes: that run them
    :return: each case and how it ended, as they end
    """
    left = list(reversed(numbers))
    workers: list[_Worker] = []
    try:
        while left or workers:
            while left and len(workers) < processes:
                workers.append(_Worker())
                workers[-1].give(left.pop())
            wait([worker.connection for worker in workers], timeout=1.0)
            for place, worker in reversed(list(enumerate(workers))):
                number = worker.current
                assert number is not None
                outcome = worker.answer()
                if outcome is None:
                    continue
                if not (worker.usable and left):
                    worker.end()
                    del workers[place]
                else:
                    worker.give(left.pop())
                yield case(*number, ENVS), outcome
    finally:
        for worker in workers:
            worker.end()


def _serve(connection: "Connection[Any, Any]") -> None:
    # What trainings print is not what is looked for.
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    torch.set_num_threads(1)
    register()
    while (number := connection.recv()) is not None:
        connection.send(attempt(case(*number, ENVS)))
