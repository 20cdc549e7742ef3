"""Tables of strangers, read as text and made numbers with a sentence for what is none."""

import csv
from pathlib import Path

import numpy as np
import pandas
from numpy.typing import NDArray

from sb3_scale.errors import Sb3ScaleError, shown

GREATEST = 1e100
"""Of a number, beyond which differences and figures have no room."""


def read_csv(path: Path) -> pandas.DataFrame:
    """
    :param path: of a CSV file
    :return: its content, all of it text; a field that a line does not reach is empty
    :raises Sb3ScaleError: if it cannot be read, has no line below its header, a column twice, or
        fields beyond its header
    """
    header, *lines = _read_lines(path)
    if not lines:
        raise Sb3ScaleError(f"'{path}' has no line below its header")
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise Sb3ScaleError(f"'{path}' has the column {shown(twice)} twice; allowed: once")
    width = len(header)
    for number, line in enumerate(lines, 2):
        # An empty one is what a comma at the end of a line leaves.
        if any(line[width:]):
            raise Sb3ScaleError(
                f"'{path}', line {number} has {len(line)} fields, and the header {width}; allowed: "
                "as many as the header; quotes keep a comma within a field"
            )
    whole = [[*line[:width], *[""] * (width - len(line))] for line in lines]
    return pandas.DataFrame(whole, columns=header, dtype=str)


def _read_lines(path: Path) -> list[list[str]]:
    """At least one, none of them empty."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = [line for line in csv.reader(file, strict=True) if line]
    except (OSError, ValueError, csv.Error) as error:
        text = " ".join(str(error).split())
        raise Sb3ScaleError(f"'{path}' cannot be read as CSV: {text[:200]}") from None
    if not lines:
        raise Sb3ScaleError(f"'{path}' cannot be read as CSV: it is empty")
    return lines


def to_numbers(
    path: Path, table: pandas.DataFrame, column: str, empty: bool = False
) -> NDArray[np.float64]:
    """
    :param path: of the file, for a sentence
    :param table: of :func:`read_csv`
    :param column: of it
    :param empty: whether a field may be, and is not a number then
    :return: the column's numbers
    :raises Sb3ScaleError: if a field is none
    """
    values = np.asarray(pandas.to_numeric(table[column], errors="coerce"), np.float64)
    wrong = ~(np.abs(values) <= GREATEST)
    if empty:
        wrong &= (table[column] != "").to_numpy()
    if wrong.any():
        row = int(wrong.argmax())
        raise Sb3ScaleError(
            f"'{path}', line {row + 2}: {column} is {shown(table[column].iloc[row])}; allowed: a "
            f"number up to {GREATEST:g}"
        )
    return values
