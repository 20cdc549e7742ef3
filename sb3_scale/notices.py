"""What the library tells its user beside its results."""

import sys


def notice(text: str) -> None:
    """
    Print one line on the error output: standard output belongs to tables and results.

    What happens otherwise than asked is always told; what merely happens, only with ``verbose``.

    :param text: whose lines and spaces are joined to one line
    """
    print(" ".join(text.split()), file=sys.stderr)
