"""``sb3-scale recipes``."""

import argparse
import math
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import track

from sb3_scale.cli.arguments import add_json
from sb3_scale.cli.output import make_console, print_json
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.guard import printing_to_errors
from sb3_scale.notices import notice
from sb3_scale.plugins import manager
from sb3_scale.quantities import at_least, is_number
from sb3_scale.specs import Recipe
from sb3_scale.tables import make_table

if TYPE_CHECKING:
    from sb3_scale.recipes.costs import Cost

OBSERVATIONS, ACTIONS = 67, 21
"""Those of the humanoid."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    :param parser: of this subcommand
    """
    add_json(parser)
    parser.add_argument(
        "--cost",
        action="store_true",
        help="count the operations of a gradient step, and time it here",
    )
    for name, default in (("observations", OBSERVATIONS), ("actions", ACTIONS)):
        parser.add_argument(
            f"--{name}",
            type=at_least(1),
            metavar="N",
            help=f"numbers in one of the {name}, with --cost; {default} by default",
        )
    parser.add_argument("names", nargs="*", metavar="NAME", help="all by default")


def run(args: argparse.Namespace) -> int:
    """
    :param args: ``names``, ``cost``, ``observations``, ``actions`` and ``json``
    :return: 0
    :raises Sb3ScaleError: if there is no such recipe, or sizes are given for no cost
    """
    for name in ("observations", "actions"):
        if getattr(args, name) is not None and not args.cost:
            raise Sb3ScaleError(f"--{name} counts for --cost alone; allowed: both, or neither")
    from sb3_scale.recipes import files

    offered = [spec for _, spec in manager().specs("recipe") if isinstance(spec, Recipe)]
    wanted = [files.find(name) for name in args.names] or sorted(offered, key=lambda s: s.name)
    sizes = (args.observations or OBSERVATIONS, args.actions or ACTIONS)
    measure = _measure(*sizes) if args.cost else lambda _: None
    quiet, errors = args.json or not args.cost, Console(stderr=True)
    shown = track(wanted, "measuring", disable=quiet, transient=True, console=errors)
    records = list(_records(shown, measure, strict=bool(args.names)))
    if args.json:
        print_json(records)
        return 0
    console = make_console()
    table = make_table(tuple(records[0]), [tuple(map(_text, r.values())) for r in records])
    # Names are there to be copied.
    table.columns[0].no_wrap = True
    console.print(table)
    if args.cost:
        console.print(
            f"a gradient step with {sizes[0]} observations, or three frames of pixels, "
            f"and {sizes[1]} actions, without compilation"
        )
    return 0


def _measure(observations: int, actions: int) -> "Callable[[Recipe], Cost]":
    from sb3_scale.recipes.costs import cost

    return lambda spec: cost(spec.name, observations, actions)


def _records(
    specs: Iterable[Recipe], measure: "Callable[[Recipe], Cost | None]", strict: bool
) -> Iterator[dict[str, Any]]:
    """Those that can be read, and a line on each other one; ``strict``: none may be wrong."""
    for spec in specs:
        try:
            with printing_to_errors():
                cost = measure(spec)
            yield _record(spec, cost)
        except Sb3ScaleError as error:
            if strict:
                raise
            notice(f"{spec.name} is left out: {error}")


def _record(spec: Recipe, cost: "Cost | None") -> dict[str, Any]:
    from sb3_scale.compare.evaluations import gradient_steps_per_decision
    from sb3_scale.recipes import networks, resolve

    settings = resolve.plain({"recipe": spec.name}, spec.algo, None)
    steps = gradient_steps_per_decision(spec.algo, settings)
    record: dict[str, Any] = {
        "name": spec.name,
        "algo": spec.algo,
        "source": spec.reference or spec.summary,
        "networks": networks.described(settings),
        "steps per decision": None if math.isnan(steps) else steps,
    }
    if cost is not None:
        record |= {
            "observations": "x".join(map(str, cost.observations)),
            "GFLOP": round(cost.gigaflops, 2),
            "ms": round(cost.milliseconds, 1),
        }
    return record


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if is_number(value) else str(value)
