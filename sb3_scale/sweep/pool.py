"""Trains side by side, one process per free core."""

import fcntl
import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.sweep.training_folder import INTERRUPTIONS, LOG, State, TrainingFolder
from sb3_scale.zoo.termination import IN_SWEEP

POLL = 0.5
"""Seconds between looks at the processes."""


def free_places(threads: int) -> int:
    """
    :param threads: of a training
    :return: trainings for which this process has cores that nobody keeps busy, at least one
    """
    busy: list[float] = psutil.cpu_percent(interval=0.5, percpu=True)
    # macOS cannot bind a process to cores.
    allowed = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(len(busy))
    return places(busy, allowed, threads)


def places(busy: Sequence[float], allowed: Collection[int], threads: int) -> int:
    """
    :param busy: of each core that the system shows, percent
    :param allowed: cores of this process; a container may show fewer than it counts
    :param threads: of a training
    :return: trainings that the cores that are less than half busy can carry, at least one
    """
    free = sum(core >= len(busy) or busy[core] < 50 for core in allowed)
    return max(1, free // threads)


@contextmanager
def locked(folder: Path) -> Iterator[int]:
    """
    Keep a second sweep out of a folder, also while trainings outlive a sweep that was killed.

    :param folder: of the sweep
    :return: file descriptor that the trainings inherit
    :raises Sb3ScaleError: if the folder cannot be written to or is in use
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Not emptied: a file of this name may be somebody's.
        opened = (folder / "lock").open("a")
    except OSError as error:
        raise Sb3ScaleError(f"'{folder}' cannot be written to: {error.strerror}") from None
    with opened as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Sb3ScaleError(
                f"a sweep, or a training of one, is running in '{folder}'"
            ) from None
        yield file.fileno()


class Pool:
    """
    Trains what is not finished; what fails is tried again after all others.

    :param folders: of the trainings
    :param processes: how many at once
    :param threads: of each
    :param retries: of a training that fails
    :param lock: file descriptor that the trainings inherit
    :param console: where to show progress
    """

    def __init__(
        self,
        folders: Sequence[TrainingFolder],
        processes: int,
        threads: int,
        retries: int,
        lock: int,
        console: Console,
    ) -> None:
        self.queue = deque((folder, 1) for folder in folders if not folder.finished)
        self.done = len(folders) - len(self.queue)
        self.total = len(folders)
        self.processes = processes
        # What a training says last is why it failed: its output must not wait for its errors.
        own = {"OMP_NUM_THREADS": str(threads), "PYTHONUNBUFFERED": "1", IN_SWEEP: "1"}
        self.environ = {**os.environ, **own}
        self.retries = retries
        self.lock = lock
        self.running: list[_Process] = []
        self.interrupted = False
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
        )

    def run(self) -> None:
        """
        Train all.

        :raises KeyboardInterrupt: if interrupted, terminated, or left by its terminal; the running
            trainings are ended, and go on or start again with the next sweep
        """
        previous = {number: signal.getsignal(number) for number in INTERRUPTIONS}
        for number, handler in previous.items():
            # Under nohup a sweep outlives its terminal.
            if handler != signal.SIG_IGN:
                signal.signal(number, self._interrupt)
        try:
            with self.progress:
                whole = self.progress.add_task(
                    f"{self.total} trainings", total=self.total, completed=self.done
                )
                while self.queue or self.running:
                    while self.queue and len(self.running) < self.processes:
                        self._start(*self.queue.popleft())
                    time.sleep(POLL)
                    self._look()
                    if self.interrupted:
                        raise KeyboardInterrupt
                    part = sum(one.show(self.progress) for one in self.running)
                    self.progress.update(whole, completed=self.done + part)
        finally:
            # A terminal that closes may say so more than once.
            for number in previous:
                signal.signal(number, signal.SIG_IGN)
            for one in self.running:
                one.kill()
            for number, handler in previous.items():
                signal.signal(number, handler)

    def _interrupt(self, number: int, frame: object) -> None:
        # Noted only: an exception between a training's start and its place in the list loses it.
        self.interrupted = True

    def _start(self, folder: TrainingFolder, attempt: int) -> None:
        self.running.append(_Process(folder, attempt, self.environ, self.lock, self.progress))

    def _look(self) -> None:
        for one in [one for one in self.running if one.over]:
            self.running.remove(one)
            state = one.end(self.progress)
            if state.error and one.attempt <= self.retries:
                self.queue.append((one.folder, one.attempt + 1))
            else:
                self.done += 1


class _Process:
    """A training that runs, with its line of progress."""

    def __init__(
        self,
        folder: TrainingFolder,
        attempt: int,
        environ: dict[str, str],
        lock: int,
        progress: Progress,
    ) -> None:
        self.folder = folder
        self.attempt = attempt
        self.started = time.monotonic()
        before = folder.prepare()
        folder.note_commit()
        with (folder.path / LOG).open("w" if before is None else "a") as log:
            # A group of its own: RL-Zoo answers Ctrl-C by ending as if all were done.
            self.process = subprocess.Popen(
                folder.command(before),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environ,
                pass_fds=(lock,),
                start_new_session=True,
            )
        _pass_niceness(self.process.pid)
        steps = int(folder.training.settings["n_timesteps"])
        self.line = progress.add_task(folder.training.name, total=steps)
        self.steps = steps

    @property
    def over(self) -> bool:
        return self.process.poll() is not None

    def show(self, progress: Progress) -> float:
        """Update the line; the part that is done."""
        decisions = self.folder.decisions()
        progress.update(self.line, completed=decisions)
        return min(1.0, decisions / self.steps)

    def end(self, progress: Progress) -> State:
        seconds = time.monotonic() - self.started
        state = self.folder.end(self.process.returncode, seconds, self.attempt)
        progress.remove_task(self.line)
        words = state.error or f"{seconds / 60:.1f} min"
        progress.console.print(f"{self.folder.training.name}: {words}", markup=False)
        return state

    def kill(self) -> None:
        if not self.over:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


def _pass_niceness(pid: int) -> None:
    """Where Linux shares its cores among sessions first, a new one is as nice as this process."""
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(os.nice(0)))
