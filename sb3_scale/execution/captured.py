"""The gradient steps of a ``train`` call as one CUDA graph."""

import operator
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import torch as th

from sb3_scale.execution.runner import Done, EagerRunner
from sb3_scale.learning.batch import Batch
from sb3_scale.notices import notice

Pattern = tuple[tuple[bool, ...], ...]
"""What is due in each step, which decides the operators that run."""

Key = tuple[Pattern, tuple[tuple[th.Size, th.dtype], ...], float, float | None]
"""What a recording holds as it was: the pattern, a batch's sizes, ``tau``, ``max_grad_norm``."""

Record = Callable[[Callable[[], None]], Callable[[], None]]
"""Makes something that repeats what a function does to tensors, without running it."""

WARMUP = 3
"""Eager calls before a capture: libraries, optimisers and compiled functions allocate in them."""

MOST = 64
"""Recordings, of which each has memory of its own; what else comes runs eagerly."""

WANTS_ERRORS = "capture: gradient steps run one by one: the replay buffer wants their errors"
"""Why there is no recording for a buffer with priorities."""


class Recording:
    """
    A ``train`` call that can be repeated.

    :param batches: whose memory the repetition reads
    """

    done: Done
    """What was recorded, whose scalars the repetition writes."""

    replay: Callable[[], None]
    """Repeats it."""

    def __init__(self, batches: list[Batch]) -> None:
        self.batches = batches


class CapturedRunner:
    """
    Replays recordings of gradient steps, one per pattern of what is due and size of the batch.

    What happens in Python between the operators happens once, when a recording is made. So a call
    is eager while hooks watch an optimiser or the replay buffer wants errors, and recordings are
    made anew when an optimiser's state has been replaced. What cannot be captured is explained in
    one line and runs eagerly.

    :param eager: runs the same steps one by one
    :param record: makes CUDA graphs
    """

    def __init__(self, eager: EagerRunner, record: Record) -> None:
        self._eager = eager
        self._record = record
        self._optimizers = [learner.optimizer for learner in eager.update.learners]
        self._recordings: dict[Key, Recording] = {}
        self._calls: Counter[Key] = Counter()
        self._rates: dict[int, th.Tensor] = {}
        self._state: list[th.Tensor] = []
        self._failed = False
        self._told = False

    def run(self, batches: Iterable[Batch], n_updates: int) -> Done:
        """
        :param batches: one per gradient step
        :param n_updates: gradient steps before them
        :return: the last of them, and the metrics of all
        """
        if self._failed or self._watched() or self._errors_wanted():
            return self._eager.run(batches, n_updates)
        batches = list(batches)
        self._hold_rates()
        if not _same(self._optimizer_state(), self._state):
            self._recordings.clear()
            self._calls.clear()
        key = self._key(batches, n_updates)
        room = len(self._recordings) < MOST and self._calls[key] >= WARMUP
        ready = key in self._recordings or (room and self._capture(key, batches, n_updates))
        if not ready:
            self._calls[key] += 1
            done = self._eager.run(batches, n_updates)
            self._state = self._optimizer_state()
            return done
        recording = self._recordings[key]
        th._foreach_copy_(_tensors(recording.batches), _tensors(batches))
        recording.replay()
        return replace(recording.done, n_updates=n_updates + len(batches))

    def _key(self, batches: list[Batch], n_updates: int) -> Key:
        update = self._eager.update
        steps = range(n_updates + 1, n_updates + len(batches) + 1)
        sizes = tuple((tensor.shape, tensor.dtype) for tensor in _tensors(batches[:1]))
        constants = update.settings.tau, update.settings.max_grad_norm
        return (tuple(map(update.pattern, steps)), sizes, *constants)

    def _capture(self, key: Key, batches: list[Batch], n_updates: int) -> bool:
        recording = Recording([batch.clone() for batch in batches])

        def steps() -> None:
            recording.done = self._eager.run(recording.batches, n_updates)

        try:
            recording.replay = self._record(steps)
        except RuntimeError as error:
            # The end of a capture that failed fails as well.
            first = error.__context__ if isinstance(error.__context__, RuntimeError) else error
            reason = str(first).strip().splitlines()[0]
            notice(f"capture: gradient steps run one by one: {reason}")
            self._failed = True
        else:
            self._recordings[key] = recording
        return not self._failed

    def _watched(self) -> bool:
        return any(
            optimizer._optimizer_step_pre_hooks or optimizer._optimizer_step_post_hooks
            for optimizer in self._optimizers
        )

    def _errors_wanted(self) -> bool:
        wanted = self._eager.errors_wanted
        if wanted and not self._told:
            notice(WANTS_ERRORS)
            self._told = True
        return wanted

    def _optimizer_state(self) -> list[th.Tensor]:
        states = (optimizer.state for optimizer in self._optimizers)
        return [tensor for state in states for each in state.values() for tensor in each.values()]

    def _hold_rates(self) -> None:
        """Keep each learning rate in the one tensor that recordings read."""
        for optimizer in self._optimizers:
            for group in optimizer.param_groups:
                group["capturable"] = True
                rate = self._rates.setdefault(
                    id(group), th.zeros((), device=group["params"][0].device)
                )
                rate.fill_(group["lr"])
                group["lr"] = rate


def cuda_graph(device: th.device, function: Callable[[], None]) -> Callable[[], None]:
    """
    :param device: the GPU
    :param function: only launches work there
    :return: launches the same work again, on the same memory
    """
    graph = th.cuda.CUDAGraph()
    # Of its own accord PyTorch takes a stream of the first GPU, and leaves it current where the
    # capture fails.
    stream: Any = th.cuda.Stream(device)  # type: ignore[no-untyped-call]
    with (
        th.cuda.device(device),
        th.cuda.stream(th.cuda.current_stream(device)),
        th.cuda.graph(graph, stream=stream),
    ):
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
