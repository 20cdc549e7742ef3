"""``sb3-scale plugins``."""

import argparse

from sb3_scale.cli.arguments import add_json
from sb3_scale.cli.output import make_console, print_json
from sb3_scale.plugins import Plugin, manager
from sb3_scale.tables import make_table

STYLES = {"blocked": "yellow", "failed": "red", "duplicate": "red"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    :param parser: of this subcommand
    """
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """
    :param args: ``json``
    :return: 0
    """
    plugins = manager().plugins
    if args.json:
        print_json([_record(plugin) for plugin in plugins])
        return 0
    table = make_table(("name", "distribution", "version", "status", "parts", "reason"), ())
    for plugin in plugins:
        table.add_row(
            plugin.name,
            plugin.distribution,
            plugin.version,
            plugin.status,
            _counts(plugin),
            plugin.reason,
            style=STYLES.get(plugin.status),
        )
    make_console().print(table)
    return 0


def _record(plugin: Plugin) -> dict[str, object]:
    return {
        "name": plugin.name,
        "distribution": plugin.distribution,
        "version": plugin.version,
        "module": plugin.module,
        "status": plugin.status,
        "reason": plugin.reason,
        "parts": [f"{spec.kind}:{spec.name}" for spec in plugin.specs],
    }


def _counts(plugin: Plugin) -> str:
    """Names, but numbers for kinds with many, as environments are."""
    kinds: dict[str, list[str]] = {}
    for spec in plugin.specs:
        kinds.setdefault(spec.kind, []).append(spec.name)
    return "\n".join(
        f"{kind}: {', '.join(names) if len(names) <= 6 else len(names)}"
        for kind, names in kinds.items()
    )
