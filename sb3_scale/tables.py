"""Tables of text, for a terminal and for a page of a documentation."""

import re
from collections.abc import Iterable, Sequence

from rich.table import Table


def make_table(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> Table:
    """
    :param columns: headings
    :param rows: one text per column
    :param title: above the table
    :return: the table
    """
    table = Table(
        title=title or None, title_justify="left", title_style="bold", box=None, pad_edge=False
    )
    for column in columns:
        # Folded, because rich shortens long words otherwise, and a shortened name is of no use.
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    return table


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """
    :param head: names of the columns
    :param rows: as many texts each
    :return: the table, ready for a page of a documentation; what would end a cell or a row is
        escaped
    """
    lines = (head, ["---"] * len(head), *rows)
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    """One that is escaped already stays as it is."""
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.splitlines()))
