"""Trainings by RL-Zoo's command that are killed at a chosen moment."""

import json
import mmap
import os
import random
import signal
import struct
import sys
import threading
import time
import traceback
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NoReturn

import gymnasium
import numpy as np
from rl_zoo3.train import train
from stable_baselines3.common.callbacks import BaseCallback

from lib.kill_moments import ENV, EVAL_FREQ, SAVE_FREQ, Moment

OBSERVATIONS = 5000
"""So many that a file takes milliseconds to write."""
LONG, SHORT = 100_000, 90
"""Decisions of a training that is killed before its end, and of one that comes to it."""
PATIENCE = 60.0
"""Seconds until a training that did not end is killed by hand."""

SETTINGS = {
    "policy": "ScalePolicy",
    "n_timesteps": LONG,
    "normalize": {"norm_obs": True, "norm_reward": False},
    "buffer_size": 1000,
    "learning_starts": 20,
    "batch_size": 16,
    "compile": False,
    "policy_kwargs": {
        part: {"name": name, "network": {"name": "mlp", "width": 8, "depth": 1}}
        for part, name in (("actor", "squashed-gaussian"), ("critic", "ensemble"))
    },
}
"""Small and quick."""


class Rising(gymnasium.Env[np.ndarray, np.ndarray]):
    """Every evaluation is better than those before, so that each replaces the best model."""

    observation_space = gymnasium.spaces.Box(-1, 1, (OBSERVATIONS,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)
    steps = 0

    def reset(self, **kwargs: Any) -> tuple[np.ndarray, dict[str, Any]]:
        """
        :param kwargs: of Gymnasium
        :return: observation, and nothing
        """
        super().reset(**kwargs)
        return self.observation_space.sample(), {}

    def step(self, action: np.ndarray) -> tuple[np.ndarray, float, bool, bool, dict[str, Any]]:
        """
        :param action: without use
        :return: observation, number of steps so far, whether it ended twice, and nothing
        """
        self.steps += 1
        return self.observation_space.sample(), float(self.steps), False, False, {}


gymnasium.register(ENV, f"{__name__}:Rising", max_episode_steps=20)


@dataclass(frozen=True)
class Killed:
    """
    A training that was ended.

    :param moment: when
    :param folder: where RL-Zoo ran
    :param decisions: that it had made
    :param exit_code: negative for a signal
    """

    moment: Moment
    folder: Path
    decisions: int
    exit_code: int

    @property
    def run(self) -> Path:
        """The folder that RL-Zoo made."""
        return self.folder / "logs" / "sac" / f"{ENV}_1"

    @property
    def last_words(self) -> str:
        """What it printed last."""
        return (self.folder / "log").read_text().strip().rpartition("\n")[2]

    @property
    def placed(self) -> set[Path]:
        """Files that had taken their places."""
        lines = (self.folder / "placed").read_text().splitlines()
        return {self.folder / line for line in lines}


class Decisions(BaseCallback):
    """
    Counts decisions where a kill does not lose the number, and ends a training at one of them.

    :param at: the decision, never if 0
    """

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at
        with Path("decisions").open("r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 8)

    def _on_step(self) -> bool:
        struct.pack_into("q", self.memory, 0, self.num_timesteps)
        if self.num_timesteps == self.at:
            _trigger[0].fire()
        return True


_trigger: list["Trigger"] = []
"""That of this process, which the callback finds."""


class Trigger:
    """
    Ends its own process, as an audit hook of Python, which sees files opened and renamed.

    :param moment: when
    :param times: how many such files to let pass
    :param share: of the moment's seconds
    """

    def __init__(self, moment: Moment, times: int, share: float) -> None:
        self.moment = moment
        self.times = times
        self.delay = moment.within * share
        self.placing = ""
        self.log = os.open("placed", os.O_WRONLY | os.O_CREAT)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """
        :param event: of Python's audit
        :param args: of the event
        """
        if event not in ("open", "os.rename") or not isinstance(args[0], (str, Path)):
            return
        self._note("")
        if event == "os.rename" and ".unfinished-" not in str(args[1]):
            self._note(os.path.relpath(args[1]))
        writes = event == "open" and bool(args[2] & (os.O_WRONLY | os.O_RDWR))
        now = writes if self.moment.within else bool(self.placing)
        if self.moment.file and now and fnmatch(Path(args[0]).name, f"*{self.moment.file}"):
            self.times -= 1
            if self.times == 0:
                self.fire()

    def fire(self) -> None:
        """Send the signals."""
        first, *others = self.moment.signals
        for number in others:
            threading.Timer(0.02, os.kill, (os.getpid(), number)).start()
        if first == signal.SIGALRM:
            # A timer of 0 would never end.
            signal.setitimer(signal.ITIMER_REAL, max(self.delay, 1e-6))
        else:
            os.kill(os.getpid(), first)

    def _note(self, placing: str) -> None:
        # The event comes before the file is renamed; the next one comes after that.
        if self.placing:
            os.write(self.log, f"{self.placing}\n".encode())
        self.placing = placing


def killed(moment: Moment, folder: Path, generator: random.Random) -> Killed:
    """
    Train in a fork of this process, which ends itself.

    :param moment: when
    :param folder: an empty one
    :param generator: of what is left to chance
    :return: what became of it
    """
    (folder / "decisions").write_bytes(bytes(8))
    at = 0 if moment.file else generator.randint(1, 4 * SAVE_FREQ)
    callback = {f"{__name__}.Decisions": {"at": at}}
    for name, settings in (("train", {**SETTINGS, "callback": [callback]}), ("resume", SETTINGS)):
        # JSON is YAML.
        (folder / f"{name}.yml").write_text(json.dumps({ENV: settings}))
    # Settings are written once, and a third best model may never come.
    once = moment.file in (".yml", "best_model.zip")
    times = 1 if once else generator.randint(1, 3)
    if moment.last:
        times = 1 + (SHORT // SAVE_FREQ if moment.file == "replay_buffer.pkl" else 0)
    share = generator.random()
    child = os.fork()
    if child == 0:
        _train(moment, folder, times, share)
    status = _ended(child)
    (decisions,) = struct.unpack("q", (folder / "decisions").read_bytes())
    return Killed(moment, folder, int(decisions), status)


def _train(moment: Moment, folder: Path, times: int, share: float) -> NoReturn:
    """What the fork does."""
    code = 1
    try:
        os.chdir(folder)
        # nohup and a shell's background have them ignored.
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        log = os.open("log", os.O_WRONLY | os.O_CREAT)
        os.dup2(log, 1)
        os.dup2(log, 2)
        _trigger.append(Trigger(moment, times, share))
        sys.addaudithook(_trigger[0])
        words = f"train --algo sac --env {ENV} -n {SHORT if moment.last else LONG} --verbose 0"
        words += f" --conf-file train.yml --save-freq {SAVE_FREQ} --save-replay-buffer"
        words += f" --eval-freq {EVAL_FREQ} --eval-episodes 1"
        sys.argv = words.split()
        train()
        code = 0
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _ended(child: int) -> int:
    latest = time.monotonic() + PATIENCE
    try:
        while time.monotonic() < latest:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.005)
        raise TimeoutError(f"process {child} did not end in {PATIENCE} s")
    except BaseException:
        os.kill(child, signal.SIGKILL)
        raise
