"""
Writes ``docs/parts.md`` from the specs, signatures and docstrings of this project's parts.

Run ``python docs/build_parts.py`` after a change of a part; a test compares the page.
"""

import argparse
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path

from sb3_scale.catalogue import Parameter, Part, describe
from sb3_scale.plugins import manager
from sb3_scale.specs import KINDS, Env, Spec

ROOT = Path(__file__).parents[1]

INTRODUCTION = """\
# Parts

Every part of this project and every parameter, made by `docs/build_parts.py` from the code.
`sb3-scale describe NAME` prints the same on your machine, for the parts of other packages too.

Where the type is *part*, write a name, or a mapping with `name` and parameters. The YAML below each
part is a file of settings that runs as it is, with the command in its first line.
"""


def distributions() -> set[str]:
    """
    :return: names of the distributions in this repository
    :raises SystemExit: if one is not installed, because the page would lack its parts
    """
    files = [ROOT / "pyproject.toml", *ROOT.glob("*/pyproject.toml")]
    files += ROOT.glob("plugins/*/pyproject.toml")
    names = {tomllib.loads(path.read_text())["project"]["name"] for path in files}
    active = {plugin.distribution for plugin in manager().plugins if plugin.status == "active"}
    for name in sorted(names - active):
        raise SystemExit(f"{name} is not installed, or not active: see sb3-scale doctor")
    return names


def described(names: set[str]) -> dict[str, list[Part]]:
    """
    :param names: distributions whose parts to describe
    :return: the parts by kind
    """
    return {
        kind: [
            describe(kind, spec.name)
            for plugin, spec in manager().specs(kind)
            if plugin.distribution in names
        ]
        for kind in KINDS
    }


def sections(found: Mapping[str, list[Part]]) -> Iterator[str]:
    """
    :param found: the parts by kind
    :return: the page, kind by kind
    """
    for kind, parts in found.items():
        cls = KINDS[kind]
        if parts:
            yield f"## {kind}\n"
            yield f"{_meaning(cls)}.\n"
            yield from _environments(parts) if cls is Env else map(_section, parts)


def _meaning(cls: type[Spec]) -> str:
    first_line = (cls.__doc__ or "").strip().splitlines()[0]
    return first_line.partition(", see")[0].replace("``", "`").rstrip(".")


def _section(part: Part) -> str:
    facts = [
        ("equation", f"`{part.equation}`" if part.equation else ""),
        ("reference", part.reference),
        ("distribution", f"`{part.distribution}`"),
    ]
    lines = [f"### {part.name}\n", f"{part.summary}\n"]
    lines += [f"- {name}: {text}" for name, text in facts if text]
    lines += ["", *_table(part.parameters)]
    if part.example:
        lines += ["```yaml", f"# {part.command}", part.example.rstrip(), "```", ""]
    else:
        lines += ["```sh", part.command, "```", ""]
    return "\n".join(lines)


def _table(parameters: tuple[Parameter, ...]) -> Iterator[str]:
    if not parameters:
        return
    yield "| parameter | type | default | meaning |"
    yield "|---|---|---|---|"
    for par in parameters:
        yield f"| `{par.name}` | {par.type} | `{par.default}` | {par.doc} |"
    yield ""


def _environments(parts: list[Part]) -> Iterator[str]:
    """Those that take the same parameters are one list."""
    groups: dict[tuple[Parameter, ...], list[Part]] = {}
    for part in parts:
        groups.setdefault(part.parameters, []).append(part)
    for parameters, group in groups.items():
        yield ", ".join(f"`{part.name}`" for part in group) + ".\n"
        yield f"- reference: {group[0].reference}"
        yield f"- distribution: `{group[0].distribution}`\n"
        yield "They take these `env_kwargs`:\n"
        yield from _table(parameters)


def undocumented(found: Mapping[str, list[Part]]) -> Iterator[str]:
    """
    :param found: the parts by kind
    :return: one sentence for each text that is missing
    """
    for kind, parts in found.items():
        for part in parts:
            if not part.summary:
                yield f"{kind} '{part.name}' has no summary"
            for parameter in part.parameters:
                if not parameter.doc:
                    yield f"{kind} '{part.name}' does not explain '{parameter.name}'"


def main() -> None:
    """
    Write the page.

    :raises SystemExit: if a part is not documented
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", nargs="?", type=Path, default=ROOT / "docs" / "parts.md")
    path = parser.parse_args().path
    found = described(distributions())
    missing = list(undocumented(found))
    if missing:
        sys.exit("\n".join(missing))
    path.write_text("\n".join([INTRODUCTION, *sections(found)]).rstrip() + "\n")


if __name__ == "__main__":
    main()
