"""The collectors of a training: what each was asked, what came, and who was lost."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.notices import notice
from sb3_scale_apex.engines import Call, CollectorLostError, Engine
from sb3_scale_apex.fragments import Fragment, Orders

POLL = 0.5
"""Seconds between looks at collectors that do not answer."""


@dataclass(frozen=True)
class Limits:
    """
    What is expected of collectors.

    :param in_flight: calls of each while the networks learn
    :param fragment_length: decisions of each environment per call
    :param start_timeout: seconds in which a collector is made
    :param fragment_timeout: seconds in which it answers a call
    :param max_restarts: how often in a row one is replaced that has not answered any call
    """

    in_flight: int
    fragment_length: int
    start_timeout: float = 120.0
    fragment_timeout: float = 120.0
    max_restarts: int = 3


@dataclass
class _Asked:
    call: Call
    orders: Orders


@dataclass
class _Collector:
    number: int
    envs: int
    incarnation: int = 0
    sequence: int = 0
    failures: int = 0
    """In a row."""
    starting: Call | None = None
    asked: deque[_Asked] = field(default_factory=deque)
    since: float = 0.0
    """When it was last heard of."""
    given_up: str = ""
    """Why, if it is gone for good."""


class AllCollectorsLostError(Sb3ScaleError):
    """No collector is left, and none comes back."""


class Fleet:
    """
    The collectors of a training.

    :param engine: where they run
    :param plan: makes the packed plan of a collector, given its number and incarnation
    :param envs: environments of each
    :param limits: what is expected of them
    :param weights: gives version, gradient steps and place of the newest weights
    """

    def __init__(
        self,
        engine: Engine,
        plan: Callable[[int, int], bytes],
        envs: list[int],
        limits: Limits,
        weights: Callable[[], tuple[int, int, list[Any]]],
    ) -> None:
        self.engine = engine
        self._plan = plan
        self._limits = limits
        self._weights = weights
        self._collectors = [_Collector(number, each) for number, each in enumerate(envs)]
        self._opening = False
        self.restarts = 0
        self.reserved = 0
        """Decisions that were taken, or are on their way."""
        self.total = 0
        """Decisions of the training."""
        self.random_until = 0
        """Decisions that are drawn from the action space."""

    def open(self) -> None:
        """
        Make all collectors, and wait for them.

        :raises Sb3ScaleError: if there is no room for them, or one cannot be made
        """
        self._opening = True
        self.engine.open(len(self._collectors), self._limits.start_timeout)
        for each in self._collectors:
            self._start(each)
        while waiting := [each for each in self._collectors if each.starting is not None]:
            self._look(waiting, POLL)
        self._opening = False

    def close(self) -> None:
        """End all collectors."""
        self.engine.close()

    @property
    def alive(self) -> int:
        """Collectors that are there."""
        return sum(each.starting is None and not each.given_up for each in self._collectors)

    @property
    def waiting(self) -> int:
        """Fragments that were asked for and not taken yet."""
        return sum(len(each.asked) for each in self._collectors)

    def ask(self, calls: int | None = None) -> None:
        """
        Send calls to collectors that have fewer on their way, as long as decisions are wanted.

        :param calls: on the way to each, by default ``in_flight``
        """
        most = self._limits.in_flight if calls is None else calls
        for number in range(most):
            for each in self._collectors:
                if each.starting is None and not each.given_up and len(each.asked) <= number:
                    self._ask(each)

    def next(self, wait: bool) -> Fragment | None:
        """
        Take the oldest fragment that has come.

        :param wait: for one, if none has
        :return: it, or nothing
        :raises AllCollectorsLostError: if no collector is left
        :raises Sb3ScaleError: if an environment did something that is not allowed
        """
        while True:
            if wait:
                self.ask(max(self._limits.in_flight, 1))
            fragment = self._look(self._collectors, POLL if wait else 0.0)
            if fragment is not None or not wait:
                return fragment

    def _start(self, each: _Collector) -> None:
        each.since = time.monotonic()
        each.sequence = 0
        each.starting = self.engine.start(each.number, self._plan(each.number, each.incarnation))

    def _ask(self, each: _Collector) -> None:
        left = self.total - self.reserved
        if left <= 0:
            return
        if not each.asked:
            each.since = time.monotonic()
        steps = min(self._limits.fragment_length, -(-left // each.envs))
        randomly = min(max(-(-(self.random_until - self.reserved) // each.envs), 0), steps)
        orders = Orders(each.sequence, steps, randomly, *self._weights())
        each.asked.append(_Asked(self.engine.collect(each.number, orders), orders))
        each.sequence += 1
        self.reserved += steps * each.envs

    def _look(self, among: list[_Collector], timeout: float) -> Fragment | None:
        """See to those that have answered, and to those that should have."""
        first = {
            id(call): (each, call)
            for each in sorted(among, key=lambda each: each.since)
            if (call := each.starting if each.starting is not None else _first(each)) is not None
        }
        calls = [call for _, call in first.values()]
        answered = self.engine.answered(calls, timeout) if calls else []
        heard = {id(call) for call in answered}
        for each, call in first.values():
            if id(call) not in heard:
                self._check_time(each)
        for call in answered:
            each, _ = first[id(call)]
            fragment = self._take(each, call)
            if fragment is not None:
                return fragment
        if all(each.given_up for each in self._collectors):
            raise AllCollectorsLostError(self._obituary())
        if not calls and timeout:
            time.sleep(timeout)
        return None

    def _take(self, each: _Collector, call: Call) -> Fragment | None:
        beginning = each.starting is not None
        try:
            answer = self.engine.answer(call)
        except CollectorLostError as lost:
            self._lose(each, lost.reason, lost.traceback)
            return None
        each.since = time.monotonic()
        if beginning:
            each.starting = None
            return None
        asked = each.asked.popleft()
        each.failures = 0
        fragment: Fragment = answer
        assert fragment.identity == (each.number, each.incarnation, asked.orders.sequence)
        return fragment

    def _check_time(self, each: _Collector) -> None:
        limit = (
            self._limits.start_timeout
            if each.starting is not None
            else self._limits.fragment_timeout
        )
        if time.monotonic() - each.since > limit:
            what = "was not made" if each.starting is not None else "gave no answer"
            self._lose(each, f"{what} in {limit:g} s")

    def _lose(self, each: _Collector, reason: str, traceback: str = "") -> None:
        """Replace a collector; what it was asked comes from others."""
        if self._opening:
            # Nothing has been learned yet: the user can mend it.
            message = f"collector {each.number} cannot be made: {reason}{traceback}"
            raise Sb3ScaleError(message) from None
        self.engine.kill(each.number)
        self.reserved -= sum(asked.orders.steps for asked in each.asked) * each.envs
        each.asked.clear()
        each.starting = None
        each.failures += 1
        each.incarnation += 1
        if each.failures > self._limits.max_restarts:
            each.given_up = reason
            notice(f"collector {each.number} is gone for good: {reason}")
            return
        self.restarts += 1
        notice(f"collector {each.number} is replaced: {reason}")
        self._start(each)

    def _obituary(self) -> str:
        number = len(self._collectors)
        last = max(self._collectors, key=lambda each: each.since)
        return (
            f"no collector is left of {number}, each replaced {self._limits.max_restarts} times "
            f"without an answer; the last one: {last.given_up}"
        )


def _first(each: _Collector) -> Call | None:
    return each.asked[0].call if each.asked else None
