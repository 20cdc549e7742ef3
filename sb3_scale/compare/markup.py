"""Tables of a comparison as texts, for the page and for Markdown."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas

from sb3_scale.compare.statistics import AGGREGATES, LEVEL
from sb3_scale.compare.summary import Summary
from sb3_scale.tables import markdown_table

MOST = 12
"""Digits of a return after the point."""


@dataclass(frozen=True)
class Text:
    """
    A table of texts.

    :param head: names of the columns
    :param rows: as many texts each
    """

    head: list[str]
    rows: list[list[str]]


@dataclass(frozen=True)
class Origins:
    """
    How the trainings of a curve were made.

    :param title: label, task and seeds
    :param facts: what is known, each once
    """

    title: str
    facts: dict[str, list[str]]


FACTS = {
    "command": "command",
    "commit": "commit",
    "versions": "versions",
    "hardware": "hardware",
    "read from": "source",
}
"""Columns of the trainings by what a page calls them."""


def aggregates(summary: Summary) -> Text:
    """
    :param summary: of a comparison
    :return: a row per label
    """
    found = summary.field
    rows = []
    for label in found.labels:
        lines = summary.aggregates[summary.aggregates["label"] == label]
        values = {line["statistic"]: line for _, line in lines.iterrows()}
        cells = [_with_interval(values[name], 3) for name in AGGREGATES]
        rows.append([label, found.seeds(label), str(len(found.common)), *cells])
    return Text(["label", "seeds per task", "tasks", *AGGREGATES], rows)


def improvement(summary: Summary) -> Text:
    """
    :param summary: of a comparison
    :return: a row per pair of labels
    """
    rows = [
        [line["label"], line["than"], line["seeds"], line["their_seeds"], _with_interval(line, 2)]
        for _, line in summary.improvement.iterrows()
    ]
    return Text(["X", "Y", "seeds of X", "seeds of Y", "P(X > Y)"], rows)


def task(summary: Summary, name: str) -> Text:
    """
    :param summary: of a comparison
    :param name: of the task
    :return: returns of each label and published algorithm, not normalised
    """
    rows = []
    digits = _digits(summary, name)
    for _, line in summary.tasks[summary.tasks["task"] == name].iterrows():
        label = f"{line['label']} (published)" if line["published"] else line["label"]
        counts = ("env_steps", "decisions", "gradient_steps", "action_repeat", "utd")
        rows.append(
            [
                label,
                str(line["seeds"]) or "?",
                "" if line["published"] else _with_interval(line, digits, "iqm"),
                f"{_fixed(line['mean'], digits)} ± {_fixed(line['std'], digits) or '?'}",
                "" if line["published"] else line["returns"],
                *(_count(line[count]) for count in counts),
            ]
        )
    head = ["label", "seeds", f"IQM [{LEVEL}%]", "mean ± std of seeds", "return of each seed"]
    head += ["env steps", "decisions", "gradient steps", "action repeat", "UTD"]
    return Text(head, rows)


def runs(summary: Summary) -> Text:
    """
    :param summary: of a comparison
    :return: a row per training: how far it went
    """
    digits = {name: _digits(summary, name) for name in summary.field.tasks}
    rows = [
        [
            *(line["label"], line["task"], str(line["seed"])),
            *(_fixed(line[name], digits[line["task"]]) for name in ("return", "last_return")),
            *(str(line["evaluations"]), _count(line["episodes_each"])),
            *(_count(line[name]) for name in ("env_steps", "decisions", "gradient_steps")),
            *(_count(line[name]) for name in ("action_repeat", "utd", "minutes")),
        ]
        for _, line in summary.runs.iterrows()
    ]
    head = ["label", "task", "seed", "return compared", "last return", "evaluations"]
    head += ["episodes each", "env steps", "decisions", "gradient steps", "action repeat", "UTD"]
    return Text([*head, "minutes"], rows)


def origins(summary: Summary) -> list[Origins]:
    """
    :param summary: of a comparison
    :return: how the trainings of each curve were made
    """
    found = []
    for (label, name), lines in summary.runs.groupby(["label", "task"], sort=False):
        seeds = ", ".join(map(str, lines["seed"]))
        facts = {fact: list(dict.fromkeys(lines[key])) for fact, key in FACTS.items()}
        found.append(Origins(f"{label} on {name}, seed{'s' * (len(lines) > 1)} {seeds}", facts))
    return found


def markdown(summary: Summary, command: str) -> str:
    """
    :param summary: of a comparison
    :param command: that made it
    :return: its tables and notes
    """
    parts = [
        "# Comparison",
        f"Command: `{command}`.",
        "\n".join(f"- {note}" for note in summary.notes),
        f"Normalised returns, with {LEVEL}% intervals of a bootstrap stratified by task:",
        _markdown(aggregates(summary)),
    ]
    if len(summary.improvement):
        parts += ["Probability of improvement:", _markdown(improvement(summary))]
    for name in summary.field.tasks:
        parts += [f"## {name}", _markdown(task(summary, name))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown(table: Text) -> str:
    return markdown_table(table.head, table.rows)


def _with_interval(line: "pandas.Series[Any]", digits: int, value: str = "value") -> str:
    text = f"{line[value]:,.{digits}f}"
    if not np.isfinite(line["low"]):
        return text
    return f"{text} [{line['low']:,.{digits}f}, {line['high']:,.{digits}f}]"


def _digits(summary: Summary, task: str) -> int:
    """Of returns after the point: three figures of the greatest, and at least one."""
    lines = summary.tasks[summary.tasks["task"] == task]
    greatest = float(lines[["mean", "least", "greatest"]].abs().max(axis=None))
    return min(max(1, 2 - math.floor(math.log10(greatest))), MOST) if greatest else 1


def _fixed(value: Any, digits: int) -> str:
    """Empty where it is not known; published figures may be texts."""
    number = pandas.to_numeric(value, errors="coerce")
    return f"{number:,.{digits}f}" if np.isfinite(number) else ""


def _count(value: Any) -> str:
    number = pandas.to_numeric(value, errors="coerce")
    return _fixed(number, 0 if number == np.floor(number) else 2)
