"""The folder of a training: what is in it, and the command that fills it."""

import glob
import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import yaml

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.files import replacing
from sb3_scale.notices import notice
from sb3_scale.runs import Run, env_name, read_evaluated
from sb3_scale.saved_statistics import REPLAY_BUFFER
from sb3_scale.sweep.grid import Training
from sb3_scale.zoo.resume import BEST, RESUME, whole

LOG, SETTINGS, STATE = "output.log", "settings.yml", "state.json"
COMMITS = "commits.txt"

INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that end a sweep and a training of it; the latter's exit status is 128 and the number."""


@dataclass(frozen=True)
class State:
    """
    How a training ended.

    :param error: what it said last if it failed, else empty
    :param seconds: of the last attempt, wall clock
    :param attempts: how often the last command started it
    :param commit: of the working folder when it started, of each time where it went on
    :param killed: whether a signal ended it, so that the next attempt goes on from its checkpoint
    """

    error: str
    seconds: float
    attempts: int
    commit: str = "unknown"
    killed: bool = False

    @property
    def whole(self) -> bool:
        """Whether it is what :meth:`TrainingFolder.end` writes, and nobody's who edited it."""
        return (
            isinstance(self.error, str)
            and type(self.seconds) in (int, float)
            and 0 <= self.seconds < MOST_SECONDS
            and type(self.attempts) is int
            and isinstance(self.commit, str)
            and isinstance(self.killed, bool)
        )


MOST_SECONDS = 1e12
"""Of a training: thirty thousand years."""

STATE_KEYS = {one.name for one in fields(State)}


@dataclass(frozen=True)
class TrainingFolder:
    """
    :param training: what is trained
    :param path: where
    """

    training: Training
    path: Path

    @property
    def run(self) -> Path:
        """The newest folder that RL-Zoo made inside; one that goes on has the ones before in it."""
        return self._runs[0]

    @property
    def _runs(self) -> list[Path]:
        """The newest first."""
        first = self.path / self.training.algo / f"{env_name(self.training.env_id)}_1"
        stem = first.name.removesuffix("1")
        found = {
            int(path.name.removeprefix(stem)): path
            for path in first.parent.glob(f"{glob.escape(stem)}*")
            if path.name.removeprefix(stem).isdecimal()
        }
        return [found[number] for number in sorted(found, reverse=True)] or [first]

    def _interrupted(self) -> Path | None:
        """The run whose newest checkpoint an attempt can go on from, if a signal ended it."""
        state = self.state
        if self.training.save_freq and (state is None or state.killed):
            for run in self._runs:
                # One that was killed before its first checkpoint has at most the best model of the
                # one before, without what is to be replayed.
                with suppress(Sb3ScaleError):
                    if whole(run)[0].name != BEST and (run / REPLAY_BUFFER).is_file():
                        return run
        return None

    @property
    def state(self) -> State | None:
        """How it ended; none if it did not start, or was interrupted."""
        try:
            content = json.loads((self.path / STATE).read_text())
            # Another version may say more.
            found = State(**{key: content[key] for key in content.keys() & STATE_KEYS})
        except (OSError, RecursionError, ValueError, TypeError, AttributeError):
            return None
        return found if found.whole else None

    @property
    def finished(self) -> bool:
        """Whether it ended well, and what it wrote is still there."""
        state = self.state
        return state is not None and not state.error and not self._error(0)

    @property
    def doubt(self) -> str:
        """Why nobody can say whether it ended well, if something says that it ended."""
        state = self.state
        if state is None:
            there = os.path.lexists(self.path / STATE)
            return f"'{self.path / STATE}' cannot be read" if there else ""
        return "" if state.error else self._error(0)

    def prepare(self) -> Path | None:
        """
        Empty the folder of what an earlier attempt left, unless this one goes on from it, and
        write the settings. What may have ended well is kept beside it.

        :return: the run that it goes on from, if there is one
        :raises Sb3ScaleError: if it cannot be made
        """
        doubt = self.doubt
        before = None if doubt else self._interrupted()
        try:
            if doubt:
                notice(f"{doubt}: trained again; the folder is kept as '{self._set_aside()}'")
            if self.path.is_symlink() or self.path.is_file():
                self.path.unlink()
            if before is None:
                self._remove()
            else:
                (self.path / STATE).unlink(missing_ok=True)
            self.path.mkdir(parents=True, exist_ok=True)
            content = {self.training.env_id: self.training.settings}
            (self.path / SETTINGS).write_text(yaml.safe_dump(content, sort_keys=False))
        except OSError as error:
            raise Sb3ScaleError(f"'{self.path}' cannot be made: {error.strerror}") from None
        return before

    def _remove(self) -> None:
        # Under another name first: whoever is killed leaves nothing that looks interrupted.
        removed = self.path.with_name(f".removed-{self.path.name}")
        shutil.rmtree(removed, ignore_errors=True)
        if self.path.exists():
            self.path.rename(removed)
            shutil.rmtree(removed, ignore_errors=True)

    def _set_aside(self) -> Path:
        beside = (self.path.with_name(f"{self.path.name}.{n}") for n in itertools.count(1))
        return self.path.rename(next(path for path in beside if not os.path.lexists(path)))

    def note_commit(self) -> None:
        """Add that of the working folder to those of the attempts that this one goes on from."""
        with (self.path / COMMITS).open("a") as file:
            file.write(f"{_commit()}\n")

    def command(self, before: Path | None) -> list[str]:
        """
        :param before: the run that it goes on from, if there is one
        :return: what trains it
        """
        one = self.training
        save = ("--save-freq", str(one.save_freq), "--save-replay-buffer") if one.save_freq else ()
        return [
            *(sys.executable, "-m", "sb3_scale.zoo", "train"),
            *("--algo", one.algo, "--env", one.env, "--seed", str(one.seed)),
            *("--conf-file", str(self.path / SETTINGS), "--log-folder", str(self.path)),
            *("--eval-freq", str(one.eval_freq), "--eval-episodes", str(one.eval_episodes)),
            *save,
            *one.train_args,
            *(() if before is None else (RESUME, str(before))),
        ]

    def end(self, status: int, seconds: float, attempts: int) -> State:
        """
        Write down how it ended.

        :param status: exit status
        :param seconds: wall clock
        :param attempts: how often the last command started it
        :return: the state
        """
        killed = status < 0 or status - 128 in INTERRUPTIONS
        state = State(self._error(status), round(seconds, 1), attempts, self._commits, killed)
        # Written last and whole: a folder without it is that of an interrupted training.
        with replacing(self.path / STATE) as unfinished:
            unfinished.write_text(json.dumps(asdict(state)))
        return state

    @property
    def _commits(self) -> str:
        try:
            noted = (self.path / COMMITS).read_text().split()
        except OSError:
            return "unknown"
        return ", ".join(dict.fromkeys(noted))

    def _error(self, status: int) -> str:
        if status:
            return self._last_words(status)
        try:
            self.read()
        except Sb3ScaleError as error:
            return str(error)
        return ""

    def _last_words(self, status: int) -> str:
        if status < 0:
            return f"killed by {signal.Signals(-status).name}"
        try:
            lines = (self.path / LOG).read_text(errors="replace").split("\n")
        except OSError as error:
            return f"exit status {status}, and no output: {error.strerror}"
        said = [line.strip() for line in lines if line.strip()]
        return f"{said[-1] if said else 'no output'} (exit status {status})"

    def decisions(self) -> int:
        """
        :return: how many it has made, to the last finished episode
        """
        monitors = self.run.glob("*monitor.csv")
        texts = [path.read_text(errors="replace") for path in monitors]
        cells = [row.split(",") for text in texts for row in text.splitlines()[2:]]
        return sum(int(row[1]) for row in cells if len(row) > 2 and row[1].isdecimal())

    def read(self) -> Run:
        """
        :return: what RL-Zoo wrote
        :raises Sb3ScaleError: if a file is missing or cannot be read, or there is no evaluation
        """
        return read_evaluated(self.run)


def _commit() -> str:
    """With ``-dirty`` where files differ from it; ``none`` outside git."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return "none"
    return found.stdout.strip() or "none"
