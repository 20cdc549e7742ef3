"""At which moments the trainings of the campaign are ended."""

import signal
from dataclasses import dataclass

ENV = "Rising-v0"
SAVE_FREQ, EVAL_FREQ = 40, 30
"""Decisions."""


@dataclass(frozen=True)
class Moment:
    """
    When to end a training, and how.

    :param name: in the table
    :param signals: one after the other; SIGALRM, which nobody handles, comes by the system's clock
        and ends a process as kill -9 does
    :param file: pattern of the end of the name that is being written; no file if empty
    :param within: seconds after it was opened; the moment before it takes its place if 0
    :param last: whether it is the one that RL-Zoo writes at the end of a training
    """

    name: str
    signals: tuple[signal.Signals, ...]
    file: str = ""
    within: float = 0.0
    last: bool = False

    @property
    def allowed_loss(self) -> int:
        """Decisions after the newest checkpoint; a second Ctrl-C ends the last save too."""
        return 0 if self.signals in (END, END * 2, HANGUP, CTRL_C) else SAVE_FREQ

    @property
    def exit_codes(self) -> tuple[int, ...]:
        """With Ctrl-C RL-Zoo's; a training that comes to its end before the clock ends well."""
        first = self.signals[0]
        if self.signals == CTRL_C * 2:
            return (0, 1)
        if first == signal.SIGINT:
            return (0,)
        if first == signal.SIGALRM:
            return (-first, 0) if self.last else (-first,)
        return (-first,) if first == signal.SIGKILL else (128 + first,)


KILL, CLOCK = (signal.SIGKILL,), (signal.SIGALRM,)
END, HANGUP, CTRL_C = (signal.SIGTERM,), (signal.SIGHUP,), (signal.SIGINT,)
INSIDE = (
    Moment("kill -9, checkpoint", CLOCK, "rl_model_*.zip", 0.01),
    Moment("kill -9, replay buffer", CLOCK, "replay_buffer.pkl", 0.004),
    Moment("kill -9, model saved, its buffer not", KILL, "replay_buffer.pkl"),
    Moment("kill -9, statistics", CLOCK, "-*vecnormalize*.pkl", 0.0005),
    Moment("kill -9, best model", CLOCK, "best_model.zip", 0.01),
    Moment("kill -9, evaluations", CLOCK, "evaluations.npz", 0.002),
    Moment("kill -9, settings", CLOCK, ".yml", 0.002),
    Moment("kill -9, last model", CLOCK, f"{ENV}.zip", 0.01, last=True),
    Moment("kill -9, last buffer", CLOCK, "replay_buffer.pkl", 0.004, last=True),
    Moment("SIGTERM, replay buffer", END, "replay_buffer.pkl", 0.01),
)
OUTSIDE = (
    Moment("kill -9, any time", CLOCK, within=0.02),
    Moment("SIGTERM", END),
    Moment("SIGTERM twice", END * 2),
    Moment("SIGHUP", HANGUP),
    Moment("Ctrl-C", CTRL_C),
    Moment("Ctrl-C twice", CTRL_C * 2),
)
