"""The pages of the public modules: what mkdocstrings makes of the modules' docstrings."""

import re
from collections.abc import Iterator

ROW = re.compile(r"^\| `(sb3_scale[\w.]*)` \| (.*) \|$", re.MULTILINE)


def grouped(table: str) -> dict[str, list[tuple[str, str]]]:
    """
    :param table: text of ``docs/public-modules.md``
    :return: modules and what they offer, by the package that holds several of them
    """
    rows = ROW.findall(table)
    inner = {name.split(".")[1] for name, _ in rows if name.count(".") > 1}
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, offers in rows:
        package = name.partition(".")[2].partition(".")[0]
        groups.setdefault(package if package in inner else "sb3_scale", []).append((name, offers))
    return groups


def pages(table: str) -> Iterator[tuple[str, str]]:
    """
    :param table: text of ``docs/public-modules.md``
    :return: path and Markdown of each page
    """
    for package, modules in grouped(table).items():
        title = package if package == "sb3_scale" else f"sb3_scale.{package}"
        lines = [f"# {title}\n"]
        for name, _ in modules:
            lines += [f"## {name} {{ #{anchor(name)} }}\n", f"::: {name}\n"]
        yield f"reference/{package}.md", "\n".join(lines)


def anchor(name: str) -> str:
    """
    :param name: of a module
    :return: of its heading
    """
    return name.replace(".", "-")


def linked(table: str) -> str:
    """
    :param table: text of ``docs/public-modules.md``
    :return: the same, each module a link to where it is described
    """
    targets = {
        name: f"reference/{package}.md#{anchor(name)}"
        for package, modules in grouped(table).items()
        for name, _ in modules
    }
    return ROW.sub(lambda row: f"| [`{row[1]}`]({targets[row[1]]}) | {row[2]} |", table)
