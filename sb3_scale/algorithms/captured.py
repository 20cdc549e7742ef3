"""The gradient steps of a ``train`` call as one CUDA graph."""

import operator
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch as th

from sb3_scale.algorithms.batch import Batch
from sb3_scale.algorithms.metrics import Metrics

if TYPE_CHECKING:
    from sb3_scale.algorithms.update import SharedUpdate

Pattern = tuple[tuple[bool, bool], ...]
"""Whether actor and targets are due, for each step: what decides which operators run."""

Record = Callable[[Callable[[], None]], Callable[[], None]]
"""Makes something that repeats what a function does to tensors, without running it."""

WARMUP = 3
"""Eager calls before a capture: libraries, optimisers and compiled functions allocate in them."""


@dataclass
class Recording:
    """
    A ``train`` call that can be repeated.

    :param batches: whose memory the repetition reads
    :param metrics: whose scalars the repetition writes
    :param replay: repeats it
    """

    batches: list[Batch]
    metrics: Metrics
    replay: Callable[[], None]


class CapturedSteps:
    """
    Runs gradient steps by replaying recordings, one per pattern of actor and target updates.

    What happens in Python between the operators happens once, when a recording is made. So a call
    is eager while hooks watch an optimiser, and recordings are made anew when an optimiser's state
    has been replaced. What cannot be captured is explained in one line and runs eagerly.

    :param model: the algorithm
    :param record: makes CUDA graphs
    """

    def __init__(self, model: "SharedUpdate", record: Record) -> None:
        self._model = model
        self._record = record
        self._recordings: dict[Pattern, Recording] = {}
        self._calls: Counter[Pattern] = Counter()
        self._rates: dict[int, th.Tensor] = {}
        self._state: list[th.Tensor] = []
        self._failed = False

    def __call__(self, batches: Iterable[Batch]) -> tuple[Batch, Metrics]:
        """
        :param batches: one per gradient step
        :return: the last of them, and the metrics of all
        """
        if self._failed or self._watched():
            return self._model.run_steps(batches)
        batches = list(batches)
        self._hold_rates()
        if not _same(self._optimizer_state(), self._state):
            self._recordings.clear()
            self._calls.clear()
        pattern = self._pattern(len(batches))
        ready = pattern in self._recordings or (
            self._calls[pattern] >= WARMUP and self._capture(pattern, batches)
        )
        if not ready:
            self._calls[pattern] += 1
            done = self._model.run_steps(batches)
            self._state = self._optimizer_state()
            return done
        recording = self._recordings[pattern]
        th._foreach_copy_(_tensors(recording.batches), _tensors(batches))
        start = self._model._n_updates
        recording.replay()
        self._model._n_updates = start + len(batches)
        return recording.batches[-1], recording.metrics

    def _capture(self, pattern: Pattern, batches: list[Batch]) -> bool:
        model, start = self._model, self._model._n_updates
        static = [batch.clone() for batch in batches]
        recording = Recording(static, Metrics(), lambda: None)

        def steps() -> None:
            model._n_updates = start
            _, recording.metrics = model.run_steps(static)

        try:
            recording.replay = self._record(steps)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[0]
            print(f"capture: gradient steps run one by one: {reason}", file=sys.stderr)
            self._failed = True
        else:
            self._recordings[pattern] = recording
        model._n_updates = start
        return not self._failed

    def _pattern(self, count: int) -> Pattern:
        start = self._model._n_updates
        pattern = []
        for step in range(start + 1, start + count + 1):
            self._model._n_updates = step
            pattern.append((self._model.actor_due(), self._model.targets_due()))
        self._model._n_updates = start
        return tuple(pattern)

    def _watched(self) -> bool:
        return any(
            optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks
            for optimizer in self._model.optimizers()
        )

    def _optimizer_state(self) -> list[th.Tensor]:
        states = (optimizer.state for optimizer in self._model.optimizers())
        return [tensor for state in states for each in state.values() for tensor in each.values()]

    def _hold_rates(self) -> None:
        """Keep each learning rate in the one tensor that recordings read."""
        for optimizer in self._model.optimizers():
            for group in optimizer.param_groups:
                group["capturable"] = True
                rate = self._rates.setdefault(
                    id(group), th.zeros((), device=group["params"][0].device)
                )
                rate.fill_(group["lr"])
                group["lr"] = rate


def cuda_graph(function: Callable[[], None]) -> Callable[[], None]:
    """
    :param function: only launches work on the GPU
    :return: launches the same work again, on the same memory
    """
    graph = th.cuda.CUDAGraph()
    with th.cuda.graph(graph):
        function()
    return graph.replay


def release(optimizers: Iterable[th.optim.Optimizer]) -> None:
    """
    Undo what capturing changes in optimisers, after loading.

    :param optimizers: with learning rates that may be tensors
    """
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = float(group["lr"])
            group["capturable"] = False


def _tensors(batches: Iterable[Batch]) -> list[th.Tensor]:
    return [tensor for batch in batches for tensor in batch.tensors()]


def _same(ours: list[th.Tensor], theirs: list[th.Tensor]) -> bool:
    return len(ours) == len(theirs) and all(map(operator.is_, ours, theirs))
