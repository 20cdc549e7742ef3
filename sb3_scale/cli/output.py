"""How the subcommands print."""

import json
from typing import Any

from rich.console import Console


def make_console() -> Console:
    """
    :return: a console that prints text as it is: formulas have square brackets and colons
    """
    return Console(markup=False, emoji=False, highlight=False)


def print_json(data: Any) -> None:
    """
    :param data: plain data
    """
    print(json.dumps(data, indent=2))
