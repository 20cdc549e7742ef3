"""``sb3-scale compare``."""

import argparse
import shlex
import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import Progress

from sb3_scale.cli.output import make_console
from sb3_scale.cli.places import check_places
from sb3_scale.quantities import at_least
from sb3_scale.tables import make_table

if TYPE_CHECKING:
    from sb3_scale.compare.summary import Summary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    :param parser: of this subcommand
    """
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="a folder of RL-Zoo or of a sweep, one with several of them, or a CSV file of "
        "evaluations or published figures; LABEL=PATH names what is in it",
    )
    parser.add_argument(
        "--output",
        type=Path,
        default=Path("comparison"),
        metavar="FOLDER",
        help="for all files, by default 'comparison'",
    )
    parser.add_argument(
        "--label",
        nargs="+",
        action="extend",
        default=[],
        metavar="LABEL",
        help="to compare, in this order, by default all",
    )
    parser.add_argument(
        "--published",
        type=Path,
        action="append",
        default=[],
        metavar="FILE",
        help="CSV file of published figures: env, algorithm, env_steps, mean",
    )
    parser.add_argument(
        "--show",
        nargs="+",
        action="extend",
        default=[],
        metavar="ALGORITHM",
        help="published algorithms to show, by default all of a file that have a task; without a "
        "file, from the figures that come with sb3_scale",
    )
    parser.add_argument(
        "--normalize",
        nargs="+",
        action="extend",
        default=[],
        metavar="TASK=LOW,HIGH",
        help="returns that count as 0 and 1",
    )
    parser.add_argument(
        "--at",
        type=at_least(1),
        default=0,
        metavar="N",
        help="environment steps at which to compare, by default as many as all trainings have",
    )


def run(args: argparse.Namespace) -> int:
    """
    :param args: ``paths``, ``output``, ``label``, ``published``, ``show``, ``normalize``, ``at``
    :return: 0
    :raises Sb3ScaleError: if a path has nothing to compare or cannot be read, an option is wrong,
        or a file cannot be written or is one that is read
    """
    from sb3_scale.compare import files, markup, sources

    read = [*(sources.labelled(word)[1] for word in args.paths), *args.published]
    check_places(files.texts(args.output), read)
    console, errors = make_console(), Console(stderr=True)
    with Progress(console=errors, transient=True, disable=not errors.is_terminal) as progress:
        summary = compute(args, progress)
        general, by_task = files.planned(summary)
        drawings = [*general, *chain.from_iterable(by_task.values())]
        check_places(files.figure_file(args.output, drawing.name) for drawing in drawings)
        command = shlex.join(["sb3-scale", *sys.argv[1:]])
        written = files.write(summary, args.output, command)
        for _ in progress.track(written, len(drawings), description="figures"):
            pass
    table = markup.aggregates(summary)
    console.print(make_table(table.head, table.rows))
    for note in summary.notes:
        console.print(note)
    console.print(f"{args.output / files.PAGE}, comparison.md, figures, *.csv")
    return 0


def compute(args: argparse.Namespace, progress: Progress) -> "Summary":
    """
    :param args: ``paths``, ``label``, ``published``, ``show``, ``normalize`` and ``at``
    :param progress: that shows how far it is
    :return: the comparison that they ask for
    :raises Sb3ScaleError: if a path has nothing to compare or cannot be read, or an option is wrong
    """
    from sb3_scale.compare import published, sources
    from sb3_scale.compare.ranges import read_ranges
    from sb3_scale.compare.scores import make_field
    from sb3_scale.compare.summary import Summary, summarise, work

    ranges = read_ranges(args.normalize)
    reading = progress.track(sources.read(args.paths), len(args.paths), description="reading")
    parts = [*reading, *map(sources.read_published, args.published)]
    found = sources.together(parts, args.label)
    field = make_field(found.trainings, ranges, args.at)
    collected = args.show and found.published.empty
    figures = published.collected() if collected else found.published
    theirs = published.choose(figures, args.show, field.tasks)
    summary = Summary(field, theirs, notes=found.notes)
    for _ in progress.track(summarise(summary), work(field), description="statistics"):
        pass
    return summary
