"""
The command ``sb3-scale``.

Each subcommand is a module of this package with a function ``run``, imported when it is asked for:
``sb3-scale plugins`` needs neither torch nor matplotlib.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from importlib import import_module, metadata
from pathlib import Path

from sb3_scale.errors import Sb3ScaleError

ZOO = ("rl_zoo3", "sb3_contrib", "pandas", "matplotlib", "plotly")
"""Modules of the extra ``zoo`` that some subcommands import."""


def at_least(least: int) -> Callable[[str], int]:
    """
    :param least: number that the command line may have
    :return: what reads it there, and says what is allowed
    """

    def read(text: str) -> int:
        if not text.isdigit() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r}; allowed: a whole number, at least {least}")
        return int(text)

    return read


def make_parser() -> argparse.ArgumentParser:
    """
    :return: the parser of the command line, which sets ``module`` to the subcommand's module
    """
    parser = argparse.ArgumentParser(
        "sb3-scale", description="Large networks for Stable-Baselines3 and RL-Zoo."
    )
    parser.add_argument(
        "--version", action="version", version=f"sb3-scale {metadata.version('sb3-scale')}"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    def add(name: str, help: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=help, description=f"{help}.")
        command.set_defaults(module=f"{__name__}.{name.replace('-', '_')}")
        return command

    def add_listing(name: str, help: str) -> argparse.ArgumentParser:
        command = add(name, help)
        command.add_argument("--json", action="store_true", help="print JSON instead of a table")
        return command

    add_listing("plugins", "List the installed plugins and their parts")

    command = add_listing("describe", "Show what a part does, its parameters and an example")
    command.add_argument(
        "part",
        nargs="?",
        metavar="NAME",
        help="name of a part, or KIND:NAME; without it all parts are listed",
    )

    add_listing("doctor", "Check the installation")

    command = add("new-plugin", "Write a package with a critic of your own")
    command.add_argument("name", metavar="NAME", help="of the package and of its critic: my-critic")
    command.add_argument(
        "--path", type=Path, default=Path(), help="folder for the new folder NAME, by default here"
    )

    command = add_listing("report", "Sum up a training run of RL-Zoo and draw its learning curve")
    command.add_argument(
        "folder", type=Path, metavar="FOLDER", help="of the run, for instance logs/sac/dog-run_1"
    )
    command.add_argument(
        "--random-episodes",
        type=int,
        default=5,
        metavar="N",
        help="episodes of a random policy to compare with, 5 by default, 0 for none",
    )
    command.add_argument(
        "--gym-packages",
        nargs="+",
        default=[],
        metavar="PACKAGE",
        help="to import because they register the environment",
    )

    command = add("landscape", "Draw the critic's loss around its weights")
    command.add_argument(
        "folder", type=Path, metavar="FOLDER", help="of a run with its replay buffer"
    )
    command.add_argument(
        "--model", type=Path, metavar="ZIP", help="a checkpoint, by default the final model"
    )
    command.add_argument(
        "--points", type=int, default=51, metavar="N", help="in each direction, by default 51"
    )
    command.add_argument(
        "--range",
        type=float,
        default=1.0,
        metavar="R",
        help="of the grid, -R to R; at 1, the default, each filter has moved by its own norm",
    )
    command.add_argument(
        "--transitions", type=int, default=1024, metavar="N", help="by default 1024"
    )
    command.add_argument("--seed", type=int, default=0, metavar="N", help="by default 0")
    command.add_argument(
        "--output", type=Path, metavar="PATH", help="without an ending, by default in FOLDER"
    )

    command = add("sweep", "Train every combination of settings and seeds of a file")
    command.add_argument("grid", type=Path, metavar="FILE", help="for instance grid.yml")
    command.add_argument(
        "--output", type=Path, metavar="FOLDER", help="for all files, by default logs/NAME of FILE"
    )
    command.add_argument(
        "--processes",
        type=at_least(1),
        metavar="N",
        help="trainings at once, by default one per free core, or per --threads of them",
    )
    command.add_argument(
        "--threads", type=at_least(1), default=1, metavar="N", help="of each, by default 1"
    )
    command.add_argument(
        "--retries",
        type=at_least(0),
        default=1,
        metavar="N",
        help="of a training that fails, by default 1",
    )
    command.add_argument(
        "--last",
        type=at_least(1),
        default=1,
        metavar="N",
        help="evaluations at the end of a training whose mean is its return, by default 1",
    )
    command.add_argument(
        "--dry-run", action="store_true", help="check the file and list the trainings only"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command line.

    :param argv: its words after ``sb3-scale``, those of the process by default
    :return: exit status; 1 if something is wrong, 130 if interrupted, with one sentence on the
        error output
    """
    args = make_parser().parse_args(argv)
    try:
        return _run(args)
    except Sb3ScaleError as error:
        print(f"sb3-scale: error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("sb3-scale: interrupted", file=sys.stderr)
        return 130


def _run(args: argparse.Namespace) -> int:
    try:
        status: int = import_module(args.module).run(args)
    except ModuleNotFoundError as error:
        if error.name not in ZOO:
            raise
        raise Sb3ScaleError(f'{error}: pip install "sb3-scale[zoo]"') from None
    return status
