"""
What is left of trainings by RL-Zoo's command that are killed, half of them while they save.

Each trains a small policy in a fork of this process and is ended at a moment that is left to
chance: the system's clock, set when a file is opened, ends it as kill -9 does. Then every file is
loaded, and some are gone on from. It fails if a file that had its place is lost or broken, or if
more than one interval between checkpoints is lost.

    python benchmarks/kill_campaign.py --kills 200
"""

import argparse
import os
import random
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

# Forks of a process with threads of PyTorch hang.
os.environ["OMP_NUM_THREADS"] = "1"

from rich.console import Console
from rich.progress import track

from lib.kill_moments import ENV, INSIDE, OUTSIDE, SAVE_FREQ, Moment
from lib.killing import Killed, killed
from lib.remains import Remains, examine
from sb3_scale.tables import make_table


@dataclass
class Row:
    """What became of the trainings that were killed at one kind of moment."""

    killed: list[Killed] = field(default_factory=list)
    remains: list[Remains] = field(default_factory=list)
    resumed: int = 0
    problems: list[str] = field(default_factory=list)

    def texts(self, moment: Moment) -> tuple[str, ...]:
        """
        :param moment: of the row
        :return: one text per column of the table
        """
        return (
            moment.name,
            str(len(self.killed)),
            str(sum(one.inside for one in self.remains)),
            str(sum(one.files for one in self.remains)),
            str(sum(len(one.lost) for one in self.remains)),
            str(max(one.loss for one in self.remains)),
            str(max(one.buffer_behind for one in self.remains)),
            str(self.resumed),
            str(len(self.problems)),
        )


COLUMNS = ("moment", "killed", "in a file", "whole", "lost", "loss", "apart", "gone on", "wrong")
LEGEND = (
    "in a file: ended while one was being written; whole, lost: files; loss: most decisions made "
    "after the newest checkpoint; apart: most transitions between it and its replay buffer"
)


def resume(one: Killed) -> str:
    """
    :param one: a training that was killed
    :return: what was wrong with going on from its folder by RL-Zoo's command
    """
    words = f"-m rl_zoo3.train --algo sac --env {ENV} -n 20 --conf-file resume.yml --eval-freq -1"
    words += " --gym-packages lib.killing"
    command = [sys.executable, *words.split(), "-f", "resumed", "-i", str(one.run)]
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        command,
        cwd=one.folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stderr.strip().rpartition("\n")[2] if done.returncode else ""


def add(row: Row, one: Killed, go_on: bool) -> None:
    """
    :param row: of the table
    :param one: a training that was killed
    :param go_on: whether to try that too
    """
    remains = examine(one)
    row.killed.append(one)
    row.remains.append(remains)
    row.problems += remains.lost
    if remains.loss > one.moment.allowed_loss:
        row.problems.append(f"{remains.loss} of {one.decisions} decisions are lost")
    if one.exit_code not in one.moment.exit_codes:
        row.problems.append(f"exit code {one.exit_code}: {one.last_words}")
    if go_on and remains.checkpoint is not None:
        problem = resume(one)
        row.resumed += not problem
        row.problems += [problem] if problem else []


def main() -> None:
    """Kill, look at what is left, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume-every", type=int, default=9, help="kills")
    args = parser.parse_args()
    generator = random.Random(args.seed)
    rows: dict[Moment, Row] = {}
    console = Console()
    numbers = range(args.kills)
    for number in track(numbers, "killing", console=console, disable=not console.is_terminal):
        group = (INSIDE, OUTSIDE)[number % 2]
        moment = group[number // 2 % len(group)]
        with tempfile.TemporaryDirectory() as folder:
            one = killed(moment, Path(folder), generator)
            add(rows.setdefault(moment, Row()), one, (number + 1) % args.resume_every == 0)
    told = [row.texts(moment) for moment, row in sorted(rows.items(), key=lambda x: x[0].name)]
    title = f"{args.kills} trainings killed, a checkpoint every {SAVE_FREQ} decisions"
    console.print(make_table(COLUMNS, told, title))
    console.print(LEGEND)
    problems = [f"{key.name}: {text}" for key, row in rows.items() for text in row.problems]
    for problem in problems:
        console.print(problem, markup=False)
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
