"""
The registry of claims, ``docs/claims.yml``: where each figure of the pages comes from.

Run ``python docs/claims.py`` to see what does not agree; a test does the same.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from claim_values import NUMBER, RESULTS, differences

DOCS = Path(__file__).parent
PAGES = {path.name: path for path in [DOCS.parent / "README.md", *sorted(DOCS.glob("*.md"))]}
GENERATED = ("parts.md", "public-modules.md")
"""Pages without results."""

MEASURED = re.compile(
    r"\b20\d\d-\d\d-\d\d\b|\bcommits? [0-9a-f]{7}\b|results/[\w-]+\.csv"
    r"|±|\+-|\b[Mm]edians? of\b|\bquartiles\b|\d (?:us|ms|GFLOP/s)\b"
)
"""What stands beside figures that were measured: when, with which code, how it varied, how long."""

DEVIATION = re.compile(r"[\d.]+ (?:±|\+-) [\d.]*\d")
"""A mean and its deviation, which are measured wherever they stand."""

IMAGE = re.compile(r"!\[[^\]]*\]\((?:docs/)?results/([^)]+)\)")

Entry = Mapping[str, Any]


class Table(NamedTuple):
    """A table of a page: its place in the text, the heading above, header and rows."""

    start: int
    heading: str
    header: list[str]
    rows: list[list[str]]

    def numeric(self) -> bool:
        """
        :return: whether half of the cells behind the first column begin with a number
        """
        cells = [cell for row in self.rows for cell in row[1:]]
        begins = [bool(NUMBER.match(cell.strip("*`~<> "))) for cell in cells]
        return 2 * sum(begins) >= len(cells) > 0


class Section(NamedTuple):
    """A section of a page: where it and what is below it stand; its own text without tables."""

    place: range
    title: str
    text: str


@cache
def registry() -> dict[str, Any]:
    """
    :return: the content of ``docs/claims.yml``
    """
    return dict(yaml.safe_load((DOCS / "claims.yml").read_text()))


@cache
def prose(page: str) -> str:
    """
    :param page: its name
    :return: its text without blocks of code, each of whose characters is a space
    """
    text = PAGES[page].read_text()
    fence = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
    return fence.sub(lambda block: re.sub(r"[^\n]", " ", block[0]), text)


@cache
def tables(page: str) -> list[Table]:
    """
    :param page: its name
    :return: its tables
    """
    text = prose(page)
    found = []
    for block in re.finditer(r"(?:^\|.*\n)+", text, re.MULTILINE):
        header, _, *rows = [_cells(line) for line in block[0].splitlines()]
        headings = re.findall(r"^#+ (.*)$", text[: block.start()], re.MULTILINE)
        # An empty first cell means the one above it.
        for above, row in pairwise(rows):
            row[0] = row[0] or above[0]
        found.append(
            Table(block.start(), headings[-1] if headings else "", _told_apart(header), rows)
        )
    return found


def _told_apart(header: list[str]) -> list[str]:
    """A second column of one name has its number behind it."""
    return [
        f"{name} ({header[: number + 1].count(name)})" if name in header[:number] else name
        for number, name in enumerate(header)
    ]


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def table_of(entry: Entry) -> Table:
    """
    :param entry: with ``page`` and ``after``, words that stand once on it, before the table
    :return: the table
    :raises ValueError: if there is none
    """
    text, after = prose(entry["page"]), entry["after"]
    if text.count(after) != 1:
        raise ValueError(f"{entry['page']} has {text.count(after)} times '{after}'; allowed: once")
    place = text.index(after)
    following = [table for table in tables(entry["page"]) if table.start >= place]
    if not following:
        raise ValueError(f"{entry['page']} has no table after '{after}'")
    return following[0]


def sections(page: str) -> list[Section]:
    """
    :param page: its name
    :return: its sections; bold words that begin a paragraph are a heading below all others
    """
    text = _without_tables(page)
    found = []
    headings = list(re.finditer(r"^(?:(#+) (.*)|(?<=\n\n)\*\*(.+?)\*\*)", text, re.MULTILINE))
    levels = [len(heading[1] or "#######") for heading in headings]
    starts = [*(heading.start() for heading in headings), len(text)]
    for number, heading in enumerate(headings):
        outside = [level <= levels[number] for level in levels[number + 1 :]]
        end = starts[number + 1 + outside.index(True)] if any(outside) else len(text)
        own = text[starts[number] : starts[number + 1]]
        found.append(Section(range(starts[number], end), heading[2] or heading[3], own))
    return found


def _without_tables(page: str) -> str:
    return re.sub(r"^\|.*", lambda row: " " * len(row[0]), prose(page), flags=re.MULTILINE)


def problems() -> Iterator[str]:
    """
    :return: one sentence for each claim that does not hold, and each figure that nobody claims
    """
    claims = registry()
    yield from _unlisted(claims)
    for entry in claims["tables"]:
        place = f"{entry['page']}, after '{entry['after']}'"
        try:
            wrong = list(_of_table(table_of(entry), entry))
        except ValueError as error:
            wrong = [str(error)]
        yield from (f"{place}: {sentence}" for sentence in wrong)
    for entry in claims["sentences"]:
        yield from (f"{entry['page']}: {sentence}" for sentence in _of_sentence(entry))


def _of_table(table: Table, entry: Entry) -> Iterator[str]:
    known = {*entry["columns"], *entry.get("untraced", {}), *_templates(entry)}
    shared = {key: entry[key] for key in ("csv", "each", "over", "last") if key in entry}
    for name in entry["columns"]:
        if name not in table.header:
            yield f"there is no column '{name}'"
    for row in table.rows:
        if row[0] in known:
            continue
        cells = dict(zip(table.header, row, strict=True))
        where = {**entry.get("where", {}), **_where(entry, cells)}
        for name, cell in cells.items():
            if name not in known and NUMBER.search(cell):
                yield f"column '{name}' is not in docs/claims.yml"
            if name in entry["columns"] and NUMBER.search(cell):
                given = entry["columns"][name]
                parts = given if isinstance(given, list) else [given]
                wrong = differences(cell, [_filled(shared, where, part) for part in parts])
                if wrong:
                    yield f"{where}, {name}: {wrong}"


def _filled(shared: Entry, where: Entry, part: Entry) -> dict[str, Any]:
    """What a file other than the table's has in common with it is said by ``same``."""
    kept = {column: where[column] for column in part["same"]} if "same" in part else where
    return {**shared, **part, "where": {**kept, **part.get("where", {})}}


def _templates(entry: Entry) -> set[str]:
    """Columns of the table by which rows of the file are found."""
    return {name for template in entry["rows"].values() for name in re.findall("{(.*?)}", template)}


def _where(entry: Entry, cells: Mapping[str, str]) -> dict[str, str]:
    names = entry.get("names", {})
    texts = {
        column: re.sub("{(.*?)}", lambda name: re.sub("[*`]", "", cells[name[1]]), template)
        for column, template in entry["rows"].items()
    }
    return {column: str(names.get(text, text)) for column, text in texts.items()}


def _of_sentence(entry: Entry) -> Iterator[str]:
    """What is in braces are the numbers that are checked."""
    text = entry["text"]
    try:
        place_of(_unmarked(text), entry["page"])
    except ValueError as error:
        yield str(error)
    shared = {key: entry[key] for key in ("csv", "each", "over", "last") if key in entry}
    where = entry.get("where", {})
    numbers = " ".join(re.findall("{(.*?)}", text))
    wrong = differences(numbers, [_filled(shared, where, part) for part in entry["values"]])
    if wrong:
        yield f"'{text}': {wrong}"


def _unmarked(text: str) -> str:
    return re.sub("[{}]", "", text)


def place_of(text: str, page: str) -> range:
    """
    :param text: words of a page, broken into lines anywhere
    :param page: its name
    :return: where they stand
    :raises ValueError: if it has no such words
    """
    found = re.search(r"\s+".join(map(re.escape, text.split())), prose(page))
    if not found:
        raise ValueError(f"{page} has no '{text}'")
    return range(*found.span())


def _unlisted(claims: Entry) -> Iterator[str]:
    """Files, figures, tables and sections of results that the registry does not name."""
    for kind, suffix in (("files", "csv"), ("figures", "png")):
        there = {path.name for path in RESULTS.glob(f"*.{suffix}")}
        yield from (f"docs/results/{name} is not among {kind}" for name in there - {*claims[kind]})
        yield from (f"{name} of {kind} is not in docs/results" for name in {*claims[kind]} - there)
    for page in PAGES:
        if page in GENERATED:
            continue
        for name in IMAGE.findall(prose(page)):
            if name not in claims["figures"]:
                yield f"{page} shows {name}, which is not among figures"
        yield from _unlisted_of_page(page, claims)


def _unlisted_of_page(page: str, claims: Entry) -> Iterator[str]:
    listed, named = [], []
    for entry in [*claims["tables"], *claims["sentences"], *claims["untraced"]]:
        if entry["page"] != page:
            continue
        try:
            if "after" in entry:
                named.append(table_of(entry).start)
            else:
                listed.append(place_of(_unmarked(entry["text"]), page))
        except ValueError as error:
            # What is wrong with tables and sentences is told where they are compared.
            if "none" in entry:
                yield str(error)
    for table in tables(page):
        if table.numeric() and table.start not in named:
            words = " | ".join(table.header)
            yield f"{page}, {table.heading}: the table '{words}' is not in docs/claims.yml"
    yield from _unlisted_sections(page, [*named, *(place.start for place in listed)])
    for figure in DEVIATION.finditer(_without_tables(page)):
        if not any(figure.start() in place for place in listed):
            yield f"{page}: '{figure[0]}' is not in docs/claims.yml"


def _unlisted_sections(page: str, listed: list[int]) -> Iterator[str]:
    """Where the signs of a measurement stand, something is listed."""
    for section in sections(page):
        sign = MEASURED.search(section.text)
        if section.title in ("Result", "Results") and not listed:
            sign = sign or NUMBER.search(section.text)
        if sign and not any(start in section.place for start in listed):
            yield f"{page}, {section.title}: nothing is in docs/claims.yml of what has '{sign[0]}'"


if __name__ == "__main__":
    sys.exit("\n".join(problems()) or 0)
