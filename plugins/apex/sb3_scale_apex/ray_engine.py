"""Collectors as actors of Ray, on this machine or on many."""

import logging
import os
import signal
import socket
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.notices import notice
from sb3_scale_apex.engines import Call, CollectorLostError
from sb3_scale_apex.fragments import Orders
from sb3_scale_apex.weights import Weights

# Read when Ray is imported.
os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")

import ray
from ray import exceptions


class RayEngine:
    """
    Collectors as actors of Ray.

    Where Ray runs already, for this process or at an address, it is used and left running. Else it
    is started on this machine, and ended with the training.

    :param address: of a cluster, by default that of the environment variable ``RAY_ADDRESS``
    :param cpus: of each collector, for Ray's placement
    :param resources: others of each collector, by name
    :param threads: of each collector's products of matrices
    """

    def __init__(
        self, address: str | None, cpus: float, resources: Mapping[str, float], threads: int
    ) -> None:
        self._address = address or os.environ.get("RAY_ADDRESS")
        self._needs = {"CPU": cpus, **resources}
        self._threads = threads
        self._owns = False
        self._alone = False
        self._actors: dict[int, Any] = {}

    def open(self, collectors: int, timeout: float) -> None:
        """
        :param collectors: how many there are to be
        :param timeout: seconds to wait for room for them
        :raises Sb3ScaleError: if Ray cannot be reached, or there is no room
        """
        wanted = {name: each * collectors for name, each in self._needs.items()}
        if not ray.is_initialized():
            self._connect(wanted)
        deadline = time.monotonic() + timeout
        while missing := _missing(wanted, ray.cluster_resources()):  # type: ignore[no-untyped-call]
            # A cluster may still grow.
            if time.monotonic() > deadline or self._alone:
                name, there = missing
                self.close()
                raise Sb3ScaleError(
                    f"{collectors} collectors need {wanted[name]:g} {name}, and Ray has {there:g}; "
                    "allowed: fewer collectors, less for each ('cpus', 'resources'), or more nodes"
                )
            time.sleep(0.5)

    def publish(self, weights: Weights) -> Any:
        """
        :param weights: of the learner
        :return: where collectors find them
        """
        return ray.put(weights)

    def start(self, collector: int, packed: bytes) -> Call:
        """
        :param collector: its number
        :param packed: of its plan
        :return: answered once it is there
        """
        # Spread over the nodes; one that is lost is replaced by the learner, which knows more.
        options = {"scheduling_strategy": "SPREAD", "max_restarts": 0, "max_task_retries": 0}
        resources = {name: each for name, each in self._needs.items() if name != "CPU"}
        actor: Any = ray.remote(_Actor).options(
            num_cpus=self._needs["CPU"], resources=resources, **options
        )
        self._actors[collector] = actor.remote()
        return self._actors[collector].start.remote(packed, self._threads)

    def collect(self, collector: int, orders: Orders) -> Call:
        """
        :param collector: its number
        :param orders: what to do
        :return: answered by a fragment
        """
        return self._actors[collector].collect.remote(orders)

    def answered(self, calls: Sequence[Call], timeout: float) -> list[Call]:
        """
        :param calls: of different collectors
        :param timeout: seconds to wait for one of them
        :return: all that were answered, or whose collector is lost
        """
        ready, _ = ray.wait(list(calls), num_returns=len(calls), timeout=0)
        if not ready and timeout:
            ready, _ = ray.wait(list(calls), num_returns=1, timeout=timeout)
        return list(ready)

    def answer(self, call: Call) -> Any:
        """
        :param call: that was answered
        :return: the answer
        :raises CollectorLostError: if there is none
        :raises Sb3ScaleError: if an environment did something that is not allowed
        """
        try:
            return ray.get(call, timeout=30)
        except exceptions.RayTaskError as error:
            if isinstance(error.cause, (Sb3ScaleError, CollectorLostError)):
                raise error.cause from None
            raise CollectorLostError(_last_line(error), f"\n{error}") from None
        except exceptions.RayError as error:
            raise CollectorLostError(_first_line(error)) from None

    def kill(self, collector: int) -> None:
        """
        :param collector: its number; nothing of it is left, on whatever machine
        """
        actor = self._actors.pop(collector, None)
        if actor is not None:
            ray.kill(actor, no_restart=True)

    def close(self) -> None:
        """End all collectors, and Ray if it was started for them."""
        if ray.is_initialized():
            for collector in list(self._actors):
                self.kill(collector)
        if self._owns:
            self._owns = False
            with _kept_handler():
                ray.shutdown()

    def _connect(self, wanted: Mapping[str, float]) -> None:
        if self._address is not None:
            try:
                _check_answers(self._address)
                with _kept_handler():
                    ray.init(address=self._address, **_QUIET)
            except (OSError, exceptions.RayError, RuntimeError, ValueError) as error:
                raise Sb3ScaleError(
                    f"Ray does not answer at {self._address!r} ({_first_line(error)}); allowed: "
                    "the address of 'ray start --head', with RAY_AUTH_MODE=token where that asks "
                    "for a token, or no address for this machine alone"
                ) from None
            self._owns = True
            return
        cores = os.cpu_count() or 1
        if wanted["CPU"] > cores:
            notice(f"collectors ask for {wanted['CPU']:g} cores, and this machine has {cores}")
        # What it warns of is what is wanted: only who has the token gets in.
        _AUTHENTICATION.disabled = True
        # However this ends, close looks for what is left of it.
        self._owns = True
        try:
            with _kept_handler():
                ray.init(
                    # Not what somebody else runs on this machine, which Ray would find and join.
                    "local",
                    num_cpus=max(cores, int(-(-wanted["CPU"] // 1))),
                    resources={name: each for name, each in wanted.items() if name != "CPU"},
                    include_dashboard=False,
                    **_QUIET,
                )
        finally:
            _AUTHENTICATION.disabled = False
        self._alone = True


_AUTHENTICATION = logging.getLogger("ray._private.authentication.authentication_token_setup")
_QUIET: dict[str, Any] = {"log_to_driver": False, "configure_logging": False}


@contextmanager
def _kept_handler() -> Iterator[None]:
    """Ray takes SIGTERM for itself and resets it; a training by RL-Zoo saves its model at it."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread() and before is not None:
            signal.signal(signal.SIGTERM, before)


class _Actor:
    """A collector's process."""

    def start(self, packed: bytes, threads: int) -> None:
        """
        :param packed: of a plan
        :param threads: of products of matrices
        """
        import torch as th

        from sb3_scale_apex.worker import make

        th.set_num_threads(threads)
        with _told():
            self._worker = make(packed)

    def collect(self, orders: Orders) -> Any:
        """
        :param orders: what to do
        :return: a fragment
        """
        with _told():
            return self._worker.collect(orders, ray.get)


@contextmanager
def _told() -> Iterator[None]:
    """What goes wrong is told in words, since its class need not exist where the learner is."""
    try:
        yield
    except (Sb3ScaleError, exceptions.RayError):
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        raise CollectorLostError(reason, f"\n{traceback.format_exc()}") from None


def _check_answers(address: str) -> None:
    """
    Ray itself tries for minutes.

    :param address: ``host:port``, or a word of Ray's such as ``auto``
    :raises OSError: if nobody listens there
    """
    host, _, port = address.rpartition(":")
    if port.isdecimal() and "/" not in host:
        socket.create_connection((host, int(port)), timeout=10).close()


def _missing(wanted: Mapping[str, float], there: Mapping[str, float]) -> tuple[str, float] | None:
    return next(
        (
            (name, there.get(name, 0.0))
            for name, each in wanted.items()
            if there.get(name, 0.0) < each
        ),
        None,
    )


def _last_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[-1]


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
