"""SIGTERM, SIGHUP and Ctrl-C end a training once: what was learned is saved."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from stable_baselines3.common.callbacks import BaseCallback

NUMBERS = [number for number in signal.Signals if number.name in ("SIGTERM", "SIGHUP", "SIGINT")]
"""Windows has no SIGHUP."""

DEFAULT = (signal.SIG_DFL, signal.default_int_handler)

IN_SWEEP = "SB3_SCALE_IN_SWEEP"
"""
Set for the trainings of a sweep, which must know that one did not come to its end: RL-Zoo answers
SIGINT by ending as if all were done.
"""


class Termination(BaseCallback):
    """
    Notes that the process is asked to end, and stops the training if nothing else did.

    An attribute ``number`` is the signal that ended the training, 0 if none did.
    """

    def __init__(self) -> None:
        super().__init__()
        self.number = 0

    @property
    def status(self) -> int:
        """Exit status that a shell would tell it by, so that nobody takes the run for finished."""
        as_rl_zoo = self.number == signal.SIGINT and IN_SWEEP not in os.environ
        return 128 + self.number if self.number and not as_rl_zoo else 0

    @contextmanager
    def interrupts(self) -> Iterator[None]:
        """Within it the first signal is a ``KeyboardInterrupt``; RL-Zoo then saves the model."""
        with self._handled(self._interrupt):
            yield

    @contextmanager
    def waits(self) -> Iterator[None]:
        """Within it a signal changes nothing."""
        with self._handled(lambda number, frame: None):
            yield

    @contextmanager
    def _handled(self, handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
        in_main = threading.current_thread() is threading.main_thread()
        numbers = NUMBERS if in_main else []
        before = {number: signal.getsignal(number) for number in numbers}
        # Handlers of others, and nohup's order to ignore, stay.
        ours = {number: each for number, each in before.items() if each in DEFAULT}
        for number in ours:
            signal.signal(number, handler)
        try:
            yield
        finally:
            for number, each in ours.items():
                signal.signal(number, each)

    def _interrupt(self, number: int, frame: object) -> None:
        # Once: a second one would end what RL-Zoo does between training and saving.
        if not self.number:
            self.number = number
            raise KeyboardInterrupt

    def _on_step(self) -> bool:
        # An exception that a signal raises while memory is freed is lost.
        return not self.number
