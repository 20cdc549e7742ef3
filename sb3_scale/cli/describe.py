"""``sb3-scale describe``."""

import argparse
import dataclasses
from typing import TYPE_CHECKING

from rich.console import Console
from rich.syntax import Syntax
from rich.text import Text

from sb3_scale.cli.arguments import add_json
from sb3_scale.cli.output import make_console, print_json
from sb3_scale.errors import Sb3ScaleError, nearest, shown, suggestion
from sb3_scale.guard import printing_to_errors
from sb3_scale.parts import kinds_of
from sb3_scale.plugins import known_parts, manager
from sb3_scale.specs import KINDS

if TYPE_CHECKING:
    from sb3_scale.catalogue import Part
from sb3_scale.tables import make_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    :param parser: of this subcommand
    """
    add_json(parser)
    parser.add_argument(
        "part",
        nargs="?",
        metavar="NAME",
        help="name of a part, or KIND:NAME; without it all parts are listed",
    )


def run(args: argparse.Namespace) -> int:
    """
    :param args: ``part`` and ``json``
    :return: 0
    :raises Sb3ScaleError: if there is no such part, or more than one
    """
    if args.part is None:
        _list(as_json=args.json)
        return 0
    from sb3_scale.catalogue import describe

    # An example is made of parts, whose constructors may print.
    with printing_to_errors():
        part = describe(*_find(args.part))
    if args.json:
        print_json(dataclasses.asdict(part))
    else:
        _show(part, make_console())
    return 0


def _list(as_json: bool) -> None:
    from sb3_scale.catalogue import parts

    found = {kind: list(parts(kind)) for kind in KINDS}
    if as_json:
        keys = ("kind", "name", "summary", "equation", "reference", "distribution", "version")
        print_json(
            [{key: getattr(part, key) for key in keys} for kind in found for part in found[kind]]
        )
        return
    console = make_console()
    for kind, members in found.items():
        if members:
            rows = [(part.name, part.summary, part.distribution) for part in members]
            console.print(make_table(("name", "summary", "distribution"), rows, title=kind))
            console.print()


def _find(text: str) -> tuple[str, str]:
    """
    :param text: ``NAME`` or ``KIND:NAME``
    :return: kind and name
    """
    kind, colon, name = text.partition(":")
    if colon:
        if kind not in KINDS:
            raise Sb3ScaleError(f"there is no part kind {shown(kind)}{suggestion(kind, KINDS)}")
        return kind, name
    name = text
    kinds = kinds_of(name)
    if len(kinds) > 1 and "recipe" in kinds:
        # A recipe may have the name of its algorithm, and then has to be asked for.
        kinds.remove("recipe")
    if len(kinds) == 1:
        return kinds[0], name
    if kinds:
        choices = " or ".join(f"{kind}:{name}" for kind in kinds)
        raise Sb3ScaleError(f"'{name}' is a {' and a '.join(kinds)}: ask for {choices}")
    known_kinds = [kind for kind, names in known_parts().items() if name in names]
    if known_kinds:
        # The look-up fails with a sentence that names the package.
        return known_kinds[0], name
    raise Sb3ScaleError(
        f"there is no part {shown(name)}{_near(name)}; sb3-scale describe lists them"
    )


def _near(name: str) -> str:
    return nearest(name, (spec.name for kind in KINDS for _, spec in manager().specs(kind)))


def _show(part: "Part", console: Console) -> None:
    console.print(Text(f"{part.kind} {part.name}", style="bold"))
    console.print(part.summary)
    facts = (
        ("equation", part.equation),
        ("reference", part.reference),
        ("distribution", f"{part.distribution} {part.version}"),
    )
    console.print()
    for name, value in facts:
        if value:
            console.print(Text.assemble((f"{name}: ", "dim"), value))
    if part.parameters:
        rows = [dataclasses.astuple(parameter) for parameter in part.parameters]
        console.print()
        console.print(make_table(("parameter", "type", "default", "meaning"), rows))
    if part.example:
        console.print()
        console.print(Text("settings.yml", style="dim"))
        colored = Syntax(part.example, "yaml", background_color="default").highlight(part.example)
        console.print(colored, soft_wrap=True, end="")
    for tasks, settings in part.differences.items():
        console.print()
        console.print(Text(f"other settings for {tasks}", style="dim"))
        console.print(settings, soft_wrap=True)
    if part.command:
        console.print()
        console.print(part.command, soft_wrap=True)
