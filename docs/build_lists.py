"""
Writes the lists that name this project's parts: ``sb3_scale/known_parts.json`` and the table of
parts in ``README.md``.

Run ``python docs/build_lists.py`` when a part has come, gone or changed its name. A test runs it
with ``--check``, which writes nothing.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from build_parts import distributions
from sb3_scale.plugins import Plugin, manager
from sb3_scale.specs import KINDS, Env, Spec

ROOT = Path(__file__).parents[1]
START, END = "<!-- made by docs/build_lists.py -->\n", "<!-- end -->\n"

PAGES = {"envs": "environments"}
"""Pages of docs that do not have the plugin's name."""

SHOWN = 3
"""Environments of one reference that the table names."""


def offered(kind: str) -> Iterator[tuple[Plugin, Spec]]:
    """
    :param kind: a part kind
    :return: its parts in this repository, the core's first, then by plugin
    """
    names = distributions()
    parts = [
        (plugin, spec) for plugin, spec in manager().specs(kind) if plugin.distribution in names
    ]
    yield from sorted(parts, key=lambda item: (item[0].name != "core", item[0].name))


def known_parts() -> str:
    """
    :return: JSON, for each kind and name the package to install; the core's are always there
    """
    packages = {
        kind: {
            spec.name: plugin.distribution
            for plugin, spec in offered(kind)
            if plugin.name != "core"
        }
        for kind in KINDS
    }
    return json.dumps({kind: names for kind, names in packages.items() if names}, indent=1) + "\n"


def table() -> str:
    """
    :return: a table in Markdown, one line for each kind and plugin, for environments each reference
    """
    rows: dict[tuple[str, str, str], list[str]] = {}
    for kind in KINDS:
        for plugin, spec in offered(kind):
            reference = spec.reference if isinstance(spec, Env) else ""
            rows.setdefault((kind, plugin.name, reference), []).append(f"`{spec.name}`")
    lines = ["| kind | names | from |", "|---|---|---|"]
    for (kind, plugin_name, reference), names in rows.items():
        text = ", ".join(names)
        if reference:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            text = f"{', '.join(names[:SHOWN])}{more} ({reference})"
        page = f"docs/{PAGES.get(plugin_name, plugin_name)}.md"
        origin = f"[{plugin_name}]({page})" if (ROOT / page).exists() else plugin_name
        lines.append(f"| {kind} | {text} | {origin} |")
    return "\n".join(lines) + "\n"


def with_list(text: str, made: str) -> str:
    """
    :param text: of a page with the two marks
    :param made: what belongs between them
    :return: the page with it
    :raises ValueError: if a mark is missing
    """
    start, end = text.index(START) + len(START), text.index(END)
    return f"{text[:start]}\n{made}\n{text[end:]}"


def main() -> None:
    """
    Write the files.

    :raises SystemExit: with ``--check``, if one would change
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, name what is old")
    check = parser.parse_args().check
    readme = ROOT / "README.md"
    made = {
        ROOT / "sb3_scale" / "known_parts.json": known_parts(),
        readme: with_list(readme.read_text(), table()),
    }
    old = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    if check and old:
        names = ", ".join(str(path.relative_to(ROOT)) for path in old)
        sys.exit(f"not up to date: {names}; run python docs/build_lists.py")
    for path in old:
        path.write_text(made[path])


if __name__ == "__main__":
    main()
