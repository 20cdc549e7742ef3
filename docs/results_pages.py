"""The gallery, and the page that tells where figures come from, made of ``docs/claims.yml``."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import claims

GALLERY = """\
# Gallery

Every figure of these pages, with the page that explains it. A figure alone says little:
seeds, steps and what failed are on its page.
"""

SOURCES = """\
# Where figures come from

A test reads the numbers of tables and sentences, computes them from these files again, and fails
where they differ. What no file backs is [listed too](#without-a-file). All is kept in
`docs/claims.yml`; `python docs/claims.py` tells what does not agree.
"""


def pages() -> dict[str, str]:
    """
    :return: path and Markdown of each page
    """
    return {"gallery.md": _gallery(claims.registry()), "claims.md": _sources(claims.registry())}


def _title(page: str) -> str:
    return claims.prose(page).partition("\n")[0].removeprefix("# ")


def _link(page: str) -> str:
    """The README has no page of its own on the site, its links lead to the first page."""
    return "[README](index.md)" if page == "README.md" else f"[{_title(page)}]({page})"


def _file(name: str) -> str:
    return f"[{name}](results/{name})"


def _gallery(registry: Mapping[str, Any]) -> str:
    shown: dict[str, list[str]] = {}
    for name, figure in registry["figures"].items():
        source = ", ".join(map(_file, figure["csv"])) if "csv" in figure else figure["none"]
        shown.setdefault(figure["page"], []).append(
            f"<figure markdown>\n[![{figure['caption']}](results/{name}){{ loading=lazy }}]"
            f"(results/{name})\n<figcaption markdown>\n{figure['caption']}. Figures: {source}.\n\n"
            f"`{figure['command']}`\n</figcaption>\n</figure>\n"
        )
    lines = [GALLERY]
    for page in sorted(shown, key=_title):
        lines += [
            f"## {_link(page)}\n",
            '<div class="gallery" markdown>\n',
            *shown[page],
            "</div>\n",
        ]
    return "\n".join(lines)


def _sources(registry: Mapping[str, Any]) -> str:
    lines = [SOURCES, "## Files\n"]
    lines += ["| file | read on | command | commit |", "|---|---|---|---|"]
    for name, file in registry["files"].items():
        read = dict.fromkeys(_link(page) for page in _readers(registry, name))
        commit = f"`{file['commit']}`"
        lines.append(
            f"| {_file(name)} | {', '.join(read)} | {_commands(file['command'])} | {commit} |"
        )
    lines += ["", "## Without a file\n", "| page | what | why |", "|---|---|---|"]
    for entry in registry["untraced"]:
        words = entry["text"] if "text" in entry else _what(entry)
        lines.append(f"| {_link(entry['page'])} | {_plain(words)} | {_sentence(entry['none'])} |")
    for entry in registry["tables"]:
        for name, why in entry.get("untraced", {}).items():
            words = f"{name}, in: {_what(entry)}"
            lines.append(f"| {_link(entry['page'])} | {_plain(words)} | {_sentence(why)} |")
    return "\n".join(lines) + "\n"


def _readers(registry: Mapping[str, Any], name: str) -> Iterator[str]:
    for entry in [*registry["tables"], *registry["sentences"]]:
        if f"'csv': '{name}'" in str(entry):
            yield entry["page"]
    for figure in registry["figures"].values():
        if name in figure.get("csv", []):
            yield figure["page"]


def _what(entry: Mapping[str, Any]) -> str:
    table = claims.table_of(entry)
    return f"{table.heading}: the table by {', '.join(filter(None, table.header[:3]))}"


def _commands(text: str) -> str:
    return ", ".join(f"`{command}`" for command in text.split("; "))


def _plain(text: str) -> str:
    return re.sub(r"[|*`\[\]]", "", text)


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]
