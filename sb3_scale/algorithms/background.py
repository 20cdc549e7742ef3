"""One piece of work at a time, beside the main thread."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Generic, TypeVar

R = TypeVar("R")


class Background(Generic[R]):
    """Runs what is postponed in a thread of its own, from :meth:`start` or :meth:`finish` on."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="gradient-steps")
        self._postponed: Callable[[], R] | None = None
        self._running: Future[R] | None = None

    def postpone(self, work: Callable[[], R]) -> None:
        """
        :param work: to run later; what was postponed before must be finished
        """
        self._postponed = work

    def start(self) -> None:
        """Begin with what is postponed."""
        if self._postponed is not None:
            self._running = self._thread.submit(self._postponed)
            self._postponed = None

    def finish(self) -> R | None:
        """
        Wait for the work.

        :return: its result, or nothing where there was none
        :raises Exception: what the work raised
        """
        self.start()
        if self._running is None:
            return None
        # An interruption here leaves the work running, so that the next call waits for it.
        wait([self._running])
        done, self._running = self._running, None
        return done.result()

    def close(self) -> R | None:
        """
        Wait for the work and end the thread.

        :return: the result of the work
        :raises Exception: what the work raised
        """
        with self._thread:
            return self.finish()
