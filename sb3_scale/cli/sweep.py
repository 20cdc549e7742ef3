"""``sb3-scale sweep``."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sb3_scale.cli.arguments import at_least
from sb3_scale.cli.output import make_console
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.tables import make_table

if TYPE_CHECKING:
    import pandas

    from sb3_scale.sweep.training_folder import TrainingFolder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    :param parser: of this subcommand
    """
    parser.add_argument("grid", type=Path, metavar="FILE", help="for instance grid.yml")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="for all files, by default logs/NAME of FILE"
    )
    parser.add_argument(
        "--processes",
        type=at_least(1),
        metavar="N",
        help="trainings at once, by default one per free core, or per --threads of them",
    )
    parser.add_argument(
        "--threads", type=at_least(1), default=1, metavar="N", help="of each, by default 1"
    )
    parser.add_argument(
        "--retries",
        type=at_least(0),
        default=1,
        metavar="N",
        help="of a training that fails, by default 1",
    )
    parser.add_argument(
        "--last",
        type=at_least(1),
        default=1,
        metavar="N",
        help="evaluations at the end of a training whose mean is its return, by default 1",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check the file and list the trainings only"
    )


def run(args: argparse.Namespace) -> int:
    """
    :param args: ``grid``, ``output``, ``processes``, ``threads``, ``retries``, ``last`` and
        ``dry_run``
    :return: 0, 1 if a training failed, or 130 if interrupted
    :raises Sb3ScaleError: if ``last`` or any training of the grid is wrong, or the folder is in
        use, before the first starts; or if a file cannot be written
    """
    from sb3_scale.sweep.grid import read_sweep, trainings
    from sb3_scale.sweep.pool import Pool, free_places, locked
    from sb3_scale.sweep.stopping import Stopping, read_stop
    from sb3_scale.sweep.training_folder import TrainingFolder

    sweep = read_sweep(args.grid)
    output = args.output or Path("logs") / args.grid.stem
    asked = trainings(sweep)
    evaluations = min(int(one.settings["n_timesteps"]) // one.eval_freq for one in asked)
    if args.last > evaluations:
        raise Sb3ScaleError(f"--last is {args.last}; allowed: 1 to {evaluations}, all evaluations")
    folders = [TrainingFolder(one, output / "runs" / one.key) for one in asked]
    stopping = Stopping(read_stop(sweep.stop), folders, args.last) if sweep.stop else None
    console = make_console()
    if args.dry_run:
        rows = [(one.training.name, _status(one), str(one.path)) for one in folders]
        console.print(make_table(("training", "", "folder"), rows))
        return 0
    try:
        with locked(output) as lock:
            processes = args.processes or free_places(args.threads)
            for due in stopping.interims() if stopping else [folders]:
                Pool(due, processes, args.threads, args.retries, lock, console).run()
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on with what is not finished")
        return 130
    from sb3_scale.sweep.results import per_training

    lines = per_training(stopping.reached() if stopping else folders, args.last)
    decided = stopping.sentences() if stopping else []
    try:
        _show(lines, tuple(sweep.grid), output, decided)
    except OSError as error:
        raise Sb3ScaleError(f"'{error.filename}' cannot be written: {error.strerror}") from None
    return int(lines["error"].astype(bool).any())


def _status(folder: "TrainingFolder") -> str:
    if folder.finished:
        return "finished"
    state = folder.state
    return state.error if state and state.error else "to do"


def _show(
    lines: "pandas.DataFrame", axes: Sequence[str], output: Path, decided: Sequence[str]
) -> None:
    from sb3_scale.sweep import heat_map, results

    cells = results.per_cell(lines, axes)
    command = shlex.join(["sb3-scale", *sys.argv[1:]])
    commits = [commit for commit in lines["commit"].unique() if commit]
    text = results.markdown(cells, commits, command)
    (output / "results.md").write_text("\n".join([text, *(f"- {one}" for one in decided), ""]))
    lines.to_csv(output / "results.csv", index=False)
    files = "results.md, results.csv"
    if axes:
        heat_map.draw(cells, axes, output / "heat_map.png")
        files += ", heat_map.png"
    console = make_console()
    shown = cells[[*axes, "seeds", "mean", "std", "returns", "minutes"]]
    console.print(make_table(list(shown), results.texts(shown)))
    failed = lines[lines["error"] != ""]
    if len(failed):
        rows = failed[["folder", "error"]].to_numpy()
        console.print(make_table(("failed; the same command tries again", "because"), rows))
    for sentence in decided:
        console.print(sentence)
    console.print(f"{output}: {files}")
