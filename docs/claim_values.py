"""Figures that a page quotes, and what a CSV file of ``docs/results`` says they are."""

import csv
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"

NUMBER = re.compile(r"(?<![\w.])[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.(\d+))?(?:e([-+]?\d+))?%?")

Row = Mapping[str, str]


STATISTICS: dict[str, Callable[[Sequence[float]], float]] = {
    "count": len,
    "lower": lambda values: float(np.quantile(values, 0.25)),
    "max": max,
    "mean": lambda values: float(np.mean(values)),
    "median": lambda values: float(np.median(values)),
    "min": min,
    "range": lambda values: max(values) - min(values),
    "std": lambda values: float(np.std(values)),
    "sum": sum,
    "upper": lambda values: float(np.quantile(values, 0.75)),
}
"""Over the values of all groups; beside them ``each`` names all values, one after the other."""


def quoted(text: str) -> list[tuple[float, float]]:
    """
    :param text: of a cell or a part of a sentence
    :return: its numbers, and by how much each may differ from the figure that it rounds
    """
    found = []
    for number in NUMBER.finditer(text):
        share = 0.01 if number[0].endswith("%") else 1.0
        value = float(number[0].rstrip("%").replace(",", ""))
        last_digit = 10.0 ** (int(number[2] or 0) - len(number[1] or ""))
        found.append((share * value, share * 0.5 * last_digit))
    return found


@cache
def read(name: str) -> tuple[Row, ...]:
    """
    :param name: of a file in ``docs/results``
    :return: its rows
    """
    with (RESULTS / name).open(newline="") as file:
        return tuple(csv.DictReader(file))


def computed(claim: Mapping[str, Any]) -> list[float]:
    """
    What a file says.

    :param claim: ``csv``, the file; ``where``, the text of a column, or a list of those that count;
        ``from``, the least number of a column; ``each``, columns whose values make groups of rows,
        without it every row is one; ``over`` and ``last``, the column by which a group is ordered
        and how many of its last rows count; ``of``, the column whose mean is the value of a group;
        ``to``, what ``where`` has in the denominator, where the value is a ratio; ``scale``, a
        factor; ``by``, statistics over groups
    :return: the figures, in the order of ``by``
    :raises ValueError: if no row is meant
    """
    where = claim.get("where", {})
    values = _groups(claim, where)
    if "to" in claim:
        divisors = _groups(claim, {**where, **claim["to"]})
        # What was measured once divides every round.
        single = next(iter(divisors.values())) if len(divisors) == 1 else None
        values = {key: value / (single or divisors[key]) for key, value in values.items()}
    if not values:
        raise ValueError(f"{claim['csv']} has no row where {where}")
    scaled = [claim.get("scale", 1.0) * value for value in values.values()]
    names = claim.get("by", "mean")
    figures: list[float] = []
    for name in [names] if isinstance(names, str) else names:
        figures += scaled if name == "each" else [STATISTICS[name](scaled)]
    return figures


def _groups(claim: Mapping[str, Any], where: Mapping[str, Any]) -> dict[tuple[str, ...], float]:
    allowed = [(column, _texts(texts)) for column, texts in where.items()]
    least = claim.get("from", {}).items()
    rows = [
        row
        for row in read(claim["csv"])
        if all(row[column] in texts for column, texts in allowed)
        and all(float(row[column]) >= number for column, number in least)
    ]
    groups: dict[tuple[str, ...], list[Row]] = {}
    for number, row in enumerate(rows):
        columns = claim.get("each", [])
        key = tuple(row[column] for column in columns) if columns else (str(number),)
        groups.setdefault(key, []).append(row)
    over, last = claim.get("over"), claim.get("last", 1)
    values = {}
    for key, group in groups.items():
        kept = sorted(group, key=lambda row: float(row[over]))[-last:] if over else group
        numbers = [float(row[claim["of"]]) for row in kept if row[claim["of"]]]
        if numbers:
            values[key] = float(np.mean(numbers))
    return values


def _texts(allowed: Any) -> list[str]:
    return [str(text) for text in (allowed if isinstance(allowed, list) else [allowed])]


def differences(text: str, claims: Sequence[Mapping[str, Any]]) -> str:
    """
    :param text: of a cell or a part of a sentence
    :param claims: what its numbers are, in order
    :return: one sentence about what does not agree, empty if all does
    """
    try:
        figures = [figure for claim in claims for figure in computed(claim)]
    except (ValueError, KeyError, OSError) as error:
        return f"'{text}': {error}"
    numbers = quoted(text)
    agrees = len(figures) == len(numbers) and all(
        abs(figure - value) <= slack * (1 + 1e-6)
        for figure, (value, slack) in zip(figures, numbers, strict=True)
    )
    return (
        "" if agrees else f"'{text}' should be {', '.join(f'{figure:.6g}' for figure in figures)}"
    )
