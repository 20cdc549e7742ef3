"""Arguments that subcommands share."""

import argparse


def add_json(parser: argparse.ArgumentParser) -> None:
    """
    :param parser: of a subcommand that prints a table
    """
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
