"""
Which room of the project imports which: ``python tests/import_graph.py``.

A room is a file or a folder of ``sb3_scale``, or the package of a plugin. All imports count, those
in functions and for type checkers too. An arrow may only go down ``ORDER``, and the program fails
where one does not.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from sb3_scale.tables import make_table

ROOT = Path(__file__).parents[1]
CORE = "sb3_scale"
"""Also the room of ``sb3_scale/__init__.py``, the public face."""

ORDER = """
    docstrings errors extending generators notices plain saved_statistics specs
    files guard hookspecs monitors observations quantities structures trust type_guard
    built entry_points extractor_classes offers value_types
    plugins
    memory parts registration
    replay
    learning
    protocols
    nn
    actions optimizers stock_words
    action_spaces fitting_parts
    policies
    views execution
    collection
    algorithms callbacks builtin
    recipes
    sb3_scale
    catalogue runs tables
    diagnostics learning_curve trained zoo
    export hub landscape sweep testing
    compare
    cli
    __main__
"""
"""The rooms of the core from low to high; those of a line know nothing of each other."""

Arrows = dict[tuple[str, str], str]
"""From a room to one that it imports, with a place where it does."""


def packages(root: Path) -> list[Path]:
    """
    :param root: of the repository
    :return: the folders of the core and of the plugins
    """
    return [root / CORE, *sorted(root.glob("plugins/*/sb3_scale_*")), root / "envs/sb3_scale_envs"]


def read_arrows(folders: Iterable[Path]) -> Arrows:
    """
    :param folders: packages
    :return: what their files import of each other
    """
    files = [(path, folder.parent) for folder in folders for path in sorted(folder.rglob("*.py"))]
    modules = {_module(path, above): path for path, above in files}
    arrows: Arrows = {}
    for module, path in modules.items():
        for line, target in _imports(path):
            names = target if target in modules else target.rpartition(".")[0]
            ends = _room(module), _room(names)
            if names in modules and ends[0] != ends[1]:
                arrows.setdefault(ends, f"{module}:{line}")
    return arrows


def _module(path: Path, above: Path) -> str:
    return ".".join(path.relative_to(above).with_suffix("").parts).removesuffix(".__init__")


def _room(module: str) -> str:
    package, *inside = module.split(".")
    return inside[0] if package == CORE and inside else package


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{name.name}") for name in node.names)


def problems(arrows: Mapping[tuple[str, str], str], order: str = ORDER) -> list[str]:
    """
    :param arrows: between rooms
    :param order: as ``ORDER``; plugins stand above it, beside each other
    :return: what is wrong, a sentence each
    """
    lines = order.split("\n")
    heights = {room: height for height, line in enumerate(lines) for room in line.split()}
    found = []
    for room in sorted({room for ends in arrows for room in ends} - heights.keys()):
        if not room.startswith(f"{CORE}_"):
            found.append(f"room '{room}' stands nowhere in ORDER")
        heights[room] = len(lines)
    for (above, below), place in arrows.items():
        if heights[above] <= heights[below]:
            found.append(f"{above} -> {below} does not go down: {place}")
    graph: dict[str, set[str]] = {}
    for above, below in arrows:
        graph.setdefault(above, set()).add(below)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found.append(f"a circle: {' -> '.join(reversed(error.args[1]))}")
    return found


def main() -> int:
    from rich.console import Console

    arrows = read_arrows(packages(ROOT))
    rooms = sorted({room for ends in arrows for room in ends})
    rows = [
        (room, " ".join(sorted(below for above, below in arrows if above == room)))
        for room in rooms
    ]
    Console(markup=False, highlight=False).print(make_table(("room", "imports"), rows))
    wrong = problems(arrows)
    print(f"{len(rooms)} rooms, {len(arrows)} arrows, {len(wrong)} problems", *wrong, sep="\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
