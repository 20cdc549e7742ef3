"""Arguments that subcommands share."""

import argparse
from collections.abc import Callable


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


def add_json(parser: argparse.ArgumentParser) -> None:
    """
    :param parser: of a subcommand that prints a table
    """
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
