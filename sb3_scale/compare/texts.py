"""Tables of strangers, read as text and made numbers with a sentence for what is none."""

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
    :return: its content, all of it text
    :raises Sb3ScaleError: if it cannot be read, or has no line below its header
    """
    try:
        table = pandas.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        text = " ".join(str(error).split())
        raise Sb3ScaleError(f"'{path}' cannot be read as CSV: {text[:200]}") from None
    if table.empty:
        raise Sb3ScaleError(f"'{path}' has no line below its header")
    return table.fillna("")


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
