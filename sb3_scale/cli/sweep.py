"""``sb3-scale sweep``."""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sb3_scale.cli.output import make_console
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.notices import notice
from sb3_scale.quantities import at_least
from sb3_scale.tables import make_table

if TYPE_CHECKING:
    import pandas

    from sb3_scale.sweep.output import Output
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
        use or another's, before the first starts; or if a file cannot be written
    """
    from sb3_scale.sweep.grid import read_sweep, trainings
    from sb3_scale.sweep.output import Output
    from sb3_scale.sweep.pool import Pool, free_places, locked
    from sb3_scale.sweep.stopping import Stopping, read_stop
    from sb3_scale.sweep.training_folder import TrainingFolder

    sweep = read_sweep(args.grid)
    path = args.output or Path("logs") / args.grid.stem
    output = Output(path, args.grid, tuple(sweep.grid))
    asked = trainings(sweep)
    evaluations = min(int(one.settings["n_timesteps"]) // one.eval_freq for one in asked)
    if args.last > evaluations:
        raise Sb3ScaleError(f"--last is {args.last}; allowed: 1 to {evaluations}, all evaluations")
    folders = [TrainingFolder(one, path / "runs" / one.key) for one in asked]
    stopping = None
    if sweep.stop is not None:
        stopping = Stopping(read_stop(sweep.stop), folders, args.last)
    output.check()
    if output.other and args.output is None:
        raise Sb3ScaleError(
            f"'{path}' has the sweep of '{output.other}', and this file is '{args.grid}'; allowed: "
            f"--output with another folder, or --output {path} to replace its results"
        )
    console = make_console()
    if args.dry_run:
        rows = [(one.training.name, _status(one), str(one.path)) for one in folders]
        console.print(make_table(("training", "", "folder"), rows))
        return 0
    try:
        with locked(path) as lock:
            if output.other:
                notice(f"'{path}' had the sweep of '{output.other}', and now that of '{args.grid}'")
            output.claim()
            processes = args.processes or free_places(args.threads)
            for due in stopping.interims() if stopping else [folders]:
                Pool(due, processes, args.threads, args.retries, lock, console).run()
    except KeyboardInterrupt:
        console.print("interrupted; the same command goes on with what is not finished")
        return 130
    from sb3_scale.sweep.results import per_training

    lines = per_training(stopping.reached() if stopping else folders, args.last)
    decided = stopping.sentences() if stopping else []
    _show(lines, output, decided)
    return int(lines["error"].astype(bool).any())


def _status(folder: "TrainingFolder") -> str:
    if folder.finished:
        return "finished"
    state = folder.state
    if state and state.error:
        return state.error
    return f"to do, for {folder.doubt}" if folder.doubt else "to do"


def _show(lines: "pandas.DataFrame", output: "Output", decided: Sequence[str]) -> None:
    from sb3_scale.sweep import results

    cells = results.per_cell(lines, output.axes)
    command = shlex.join(["sb3-scale", *sys.argv[1:]])
    commits = [commit for commit in lines["commit"].unique() if commit]
    text = results.markdown(cells, commits, command)
    output.write(lines, cells, "\n".join([text, *(f"- {one}" for one in decided), ""]))
    console = make_console()
    shown = cells[[*output.axes, "seeds", "mean", "std", "returns", "minutes"]]
    console.print(make_table(list(shown), results.texts(shown)))
    failed = lines[lines["error"] != ""]
    if len(failed):
        rows = failed[["folder", "error"]].to_numpy()
        console.print(make_table(("failed; the same command tries again", "because"), rows))
    for sentence in decided:
        console.print(sentence)
    console.print(f"{output.path}: {', '.join(output.names)}")
