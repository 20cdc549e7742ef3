"""
The command ``sb3-scale``.

Each subcommand is a module of this package with the functions ``add_arguments`` and ``run``,
imported when it is asked for: ``sb3-scale plugins`` needs neither torch nor matplotlib.
"""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module, metadata

from sb3_scale.cli.output import CLOSED_PIPE, flush, give_up_output
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.files import NO_ROOM
from sb3_scale.guard import look_here

COMMANDS = {
    "plugins": "List the installed plugins and their parts",
    "describe": "Show what a part does, its parameters and an example",
    "recipes": "List complete settings for any environment, and what they cost",
    "doctor": "Check the installation",
    "new-plugin": "Write a package with a critic of your own",
    "report": "Sum up a training run of RL-Zoo and draw its learning curve",
    "landscape": "Draw the critic's loss around its weights",
    "export": "Write a trained policy as a file for ONNX or TorchScript",
    "sweep": "Train every combination of settings and seeds of a file",
    "compare": "Compare trainings of RL-Zoo, sweeps and published figures",
}
"""What each subcommand does; its module has its name."""

NEEDED = ("rl_zoo3", "sb3_contrib", "pandas", "matplotlib", "plotly")
"""Modules of other distributions that some subcommands import and that pip brings along."""


def make_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """
    :param words: those after ``sb3-scale``: the subcommand that they begin with adds its arguments
    :return: the parser for them, which sets ``run`` to what the subcommand does
    """
    parser = argparse.ArgumentParser(
        "sb3-scale", description="Large networks for Stable-Baselines3 and RL-Zoo."
    )
    parser.add_argument(
        "--version", action="version", version=f"sb3-scale {metadata.version('sb3-scale')}"
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=f"{summary}.")
        if name in words[:1]:
            module = import_module(f"{__name__}.{name.replace('-', '_')}")
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the command line. As the command of a process it finds modules of the present folder, as
    ``python -m sb3_scale`` does.

    :param argv: its words after ``sb3-scale``, those of the process by default
    :return: exit status; 1 if something is wrong, 130 if interrupted, with one sentence on the
        error output; 141 without a word if nobody reads the output any more
    """
    if argv is None:
        look_here()
    try:
        return _main(sys.argv[1:] if argv is None else argv)
    except BrokenPipeError:
        give_up_output()
        return CLOSED_PIPE
    except OSError as error:
        # Files have names; what has none is where the output goes.
        if error.errno not in NO_ROOM or error.filename is not None:
            raise
        give_up_output()
        print(f"sb3-scale: error: the output cannot be written: {error.strerror}", file=sys.stderr)
        return 1


def _main(words: Sequence[str]) -> int:
    try:
        return _run(words)
    except Sb3ScaleError as error:
        print(f"sb3-scale: error: {error}", file=sys.stderr)
        return 1
    except MemoryError as error:
        print(f"sb3-scale: error: there is not enough memory: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("sb3-scale: interrupted", file=sys.stderr)
        return 130
    finally:
        # A closed pipe is found here, argparse's own output included.
        flush()


def _run(words: Sequence[str]) -> int:
    try:
        args = make_parser(words).parse_args(words)
        status: int = args.run(args)
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        raise Sb3ScaleError(f"{error}: pip install sb3-scale") from None
    return status
