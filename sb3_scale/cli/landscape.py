"""``sb3-scale landscape``."""

import argparse
import time
from pathlib import Path

from rich.progress import track

from sb3_scale.cli.output import make_console
from sb3_scale.cli.places import check_places
from sb3_scale.files import make_folder
from sb3_scale.tables import make_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    :param parser: of this subcommand
    """
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="of a run with its replay buffer"
    )
    parser.add_argument(
        "--model", type=Path, metavar="ZIP", help="a checkpoint, by default the final model"
    )
    parser.add_argument(
        "--points", type=int, default=51, metavar="N", help="in each direction, by default 51"
    )
    parser.add_argument(
        "--range",
        type=float,
        default=1.0,
        metavar="R",
        help="of the grid, -R to R; at 1, the default, each filter has moved by its own norm",
    )
    parser.add_argument(
        "--transitions", type=int, default=1024, metavar="N", help="by default 1024"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="by default 0")
    parser.add_argument(
        "--output", type=Path, metavar="PATH", help="without an ending, by default in FOLDER"
    )
    parser.add_argument(
        "--trust",
        action="store_true",
        help="run what is pickled in the files, such as a replay buffer of an older version",
    )


def run(args: argparse.Namespace) -> int:
    """
    :param args: ``folder``, ``model``, ``points``, ``range``, ``transitions``, ``seed``,
        ``output`` and ``trust``
    :return: 0, or 130 if interrupted
    :raises Sb3ScaleError: if the run lacks what is needed, a number is out of its range, or
        ``output`` has another surface or cannot be written
    """
    from sb3_scale.landscape.checkpoint import load_problem
    from sb3_scale.landscape.pictures import draw, draw_interactive
    from sb3_scale.landscape.surface import Surface

    output = args.output or args.folder / "landscape"
    # Not `with_suffix`, which would cut a name such as lr0.001.
    data, picture, page = (Path(f"{output}.{ending}") for ending in ("npz", "png", "html"))
    check_places((data, picture, page))
    problem = load_problem(args.folder, args.model, args.transitions, args.seed, args.trust)
    surface = Surface(problem, args.points, args.range, args.seed)
    make_folder(output.parent)
    surface.resume(data)
    rows, console, start = surface.missing(), make_console(), time.perf_counter()
    try:
        for row in track(rows, "rows of the grid", console=console):
            surface.evaluate(row)
            surface.save(data)
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on with the rows that are missing")
        return 130
    seconds = time.perf_counter() - start
    draw(surface.at, surface.losses, problem.title, picture)
    draw_interactive(surface.at, surface.losses, problem.title, page)
    middle = args.points // 2
    centre, losses = surface.losses[middle, middle], surface.losses
    shown = [
        ("evaluated", f"{len(rows)} of {args.points} rows of {args.points} in {seconds:.1f} s"),
        ("loss of the trained critic", f"{centre:.4g}"),
        ("least and largest loss", f"{losses.min():.4g}, {losses.max():.4g}"),
        ("files", f"{output}.npz, .png, .html"),
    ]
    console.print(make_table(("", problem.title), shown))
    return 0
