"""Where collectors run, seen from the learner."""

from collections.abc import Sequence
from typing import Any, Protocol

from sb3_scale.errors import Sb3ScaleError
from sb3_scale_apex.fragments import Fragment, Orders
from sb3_scale_apex.weights import Weights
from sb3_scale_apex.worker import Worker, make

Call = Any
"""What was asked of a collector, and may have been answered."""


class CollectorLostError(Exception):
    """
    A collector that answers no more, or not as it should.

    :param reason: in a few words
    :param traceback: of what happened there, where that is known
    """

    def __init__(self, reason: str, traceback: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.traceback = traceback


class Engine(Protocol):
    """Where collectors run."""

    def open(self, collectors: int, timeout: float) -> None:
        """
        :param collectors: how many there are to be
        :param timeout: seconds to wait for room for them
        :raises Sb3ScaleError: if there is no room
        """

    def publish(self, weights: Weights) -> Any:
        """
        :param weights: of the learner
        :return: where collectors find them
        """

    def start(self, collector: int, packed: bytes) -> Call:
        """
        :param collector: its number
        :param packed: of its plan
        :return: answered once it is there
        """

    def collect(self, collector: int, orders: Orders) -> Call:
        """
        :param collector: its number
        :param orders: what to do
        :return: answered by a :class:`Fragment`
        """

    def answered(self, calls: Sequence[Call], timeout: float) -> list[Call]:
        """
        :param calls: of different collectors
        :param timeout: seconds to wait for one of them
        :return: all that were answered, or whose collector is lost
        """

    def answer(self, call: Call) -> Any:
        """
        :param call: that was answered
        :return: the answer
        :raises CollectorLostError: if there is none
        :raises Sb3ScaleError: if an environment did something that is not allowed
        """

    def kill(self, collector: int) -> None:
        """
        :param collector: its number; nothing of it is left, on whatever machine
        """

    def close(self) -> None:
        """End all collectors."""


class InlineEngine:
    """Collectors in the learner's process: each call is answered when it is made."""

    def __init__(self) -> None:
        self._workers: dict[int, Worker] = {}
        self._answers: dict[int, Fragment | Sb3ScaleError | None] = {}
        self._calls = 0

    def open(self, collectors: int, timeout: float) -> None:
        """
        :param collectors: how many there are to be
        :param timeout: without effect
        """

    def publish(self, weights: Weights) -> Weights:
        """
        :param weights: of the learner
        :return: the same
        """
        return weights

    def start(self, collector: int, packed: bytes) -> Call:
        """
        :param collector: its number
        :param packed: of its plan
        :return: answered
        """
        self._workers[collector] = make(packed)
        return self._store(None)

    def collect(self, collector: int, orders: Orders) -> Call:
        """
        :param collector: its number
        :param orders: what to do
        :return: answered by a :class:`Fragment`
        """
        try:
            return self._store(self._workers[collector].collect(orders, lambda weights: weights))
        except Sb3ScaleError as error:
            return self._store(error)

    def answered(self, calls: Sequence[Call], timeout: float) -> list[Call]:
        """
        :param calls: of different collectors
        :param timeout: without effect
        :return: all of them
        """
        return list(calls)

    def answer(self, call: Call) -> Any:
        """
        :param call: that was answered
        :return: the answer
        :raises Sb3ScaleError: if an environment did something that is not allowed
        """
        found = self._answers.pop(call)
        if isinstance(found, Sb3ScaleError):
            raise found
        return found

    def kill(self, collector: int) -> None:
        """
        :param collector: its number
        """
        worker = self._workers.pop(collector, None)
        if worker is not None:
            worker.close()

    def close(self) -> None:
        """Close all environments."""
        for collector in list(self._workers):
            self.kill(collector)
        self._answers.clear()

    def _store(self, answer: Any) -> int:
        self._calls += 1
        self._answers[self._calls] = answer
        return self._calls
