"""
Wall clock of a whole training: environment, actions, replay and updates.

Each side trains the same networks on the same task with the same number of gradient steps per
decision and the same number of random decisions at the start, one side after another, each in a
process of its own. Ours is one side per variant. Run it on an idle machine:

    python benchmarks/time_to_train.py --decisions 20000 --sbx-python .venv-sbx/bin/python
"""

import argparse
import csv
import json
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch as th
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn
from rich.table import Table

from lib.configurations import CONFIGURATIONS, VARIANTS, known_variants

FIELDS = (
    "side",
    "start",
    "seconds",
    "environment",
    "updates",
    "first_update",
    "gradient_steps",
    "last_return",
)
OTHERS = ("SB3", "sb3-contrib", "SBX")
WORKER = Path(__file__).with_name("training_worker.py")


def train(side: str, args: argparse.Namespace, progress: Progress) -> dict[str, Any]:
    """
    :param side: one of our variants, or another implementation
    :param args: of the command line
    :param progress: shows the decisions
    :return: a value for each of ``FIELDS``, times in seconds
    """
    options = {
        "side": side,
        "config": args.config,
        "env": args.env,
        "device": args.device,
        "decisions": args.decisions,
        "learning-starts": args.learning_starts,
        "gradient-steps": args.gradient_steps,
        "batch-size": args.batch_size,
        "seed": args.seed,
        "threads": args.threads,
    }
    python = args.sbx_python if side == "SBX" else sys.executable
    command = [python, "-W", "ignore::DeprecationWarning", str(WORKER)]
    command += [f"--{name}={value}" for name, value in options.items()]
    task = progress.add_task(side, total=args.decisions)
    begin, start = time.perf_counter(), 0.0
    result: dict[str, Any] = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        for line in worker.stdout:
            if not line.startswith("{"):
                continue
            message = json.loads(line)
            if "decisions" in message:
                start = start or time.perf_counter() - begin
                progress.update(task, completed=message["decisions"])
            else:
                result = message
    if not result:
        sys.exit(f"the training of {side} failed: see its message above")
    return {"side": side, "start": start, **result}


def table(results: list[dict[str, Any]], args: argparse.Namespace) -> Table:
    """
    :param results: of the sides
    :param args: of the command line
    :return: one row per side; ``ratio`` is its wall clock over that of the first side
    """
    shown = Table(
        "",
        "wall clock [s]",
        "ratio",
        "environment [s]",
        "updates [s]",
        "first update [s]",
        "rest [s]",
        "before [s]",
        "decisions/s",
        "last return",
        title=f"{args.env}, {args.decisions:,} decisions, {CONFIGURATIONS[args.config].title}",
    )
    for result in results:
        seconds = result["seconds"]
        rest = seconds - result["environment"] - result["updates"]
        ratio = seconds / results[0]["seconds"]
        last = result["last_return"]
        shown.add_row(
            f"ours, {result['side']}" if result["side"] in VARIANTS else result["side"],
            f"{seconds:.1f}",
            f"{ratio:.2f}",
            *(f"{result[name]:.1f}" for name in ("environment", "updates", "first_update")),
            f"{rest:.1f}",
            f"{result['start']:.1f}",
            f"{args.decisions / seconds:.1f}",
            "" if last is None else f"{last:.1f}",
        )
    return shown


def arguments() -> argparse.Namespace:
    """
    :return: of the command line
    """
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[1])
    parser.add_argument("--config", default="sac-256", choices=CONFIGURATIONS)
    parser.add_argument(
        "--variants", nargs="*", default=["compile", "eager", "compile+autocast"], choices=VARIANTS
    )
    parser.add_argument("--others", nargs="*", default=OTHERS, choices=OTHERS)
    parser.add_argument("--env", default="dog-run", help="with action_repeat 2")
    parser.add_argument("--decisions", type=int, default=20_000)
    parser.add_argument("--learning-starts", type=int, default=1000)
    parser.add_argument("--gradient-steps", type=int, default=1, help="per decision")
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu", help="of all sides but SBX")
    parser.add_argument("--threads", type=int, default=th.get_num_threads())
    parser.add_argument("--sbx-python", help="interpreter of an environment with sbx-rl")
    parser.add_argument("--out", type=Path, help="CSV file of the table")
    args = parser.parse_args()
    if args.decisions <= args.learning_starts:
        parser.error(
            f"--decisions is {args.decisions}; allowed: above {args.learning_starts}, the random "
            "decisions at the start"
        )
    return args


def main() -> None:
    """Train all sides and print the table."""
    args = arguments()
    others = [name for name in CONFIGURATIONS[args.config].others if name in args.others]
    if not args.sbx_python and "SBX" in others:
        others.remove("SBX")
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as progress:
        sides = [*known_variants(args.variants), *others]
        results = [train(side, args, progress) for side in sides]
    console = Console()
    console.print(
        f"{args.gradient_steps} gradient steps of {args.batch_size} transitions per decision, "
        f"{args.learning_starts} random decisions, seed {args.seed}; {platform.machine()}, "
        f"{args.device}, {args.threads} threads, PyTorch {th.__version__}"
    )
    console.print(table(results, args))
    if args.out:
        with args.out.open("w", newline="") as file:
            writer = csv.DictWriter(file, FIELDS)
            writer.writeheader()
            writer.writerows(results)


if __name__ == "__main__":
    main()
