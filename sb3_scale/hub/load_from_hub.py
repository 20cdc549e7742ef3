"""``python -m sb3_scale.zoo load_from_hub``: a model of Hugging Face's hub as a run of RL-Zoo."""

import argparse
import os
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import gymnasium
from rl_zoo3.utils import get_latest_run_id

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.files import make_folder
from sb3_scale.hub import packages, stranger
from sb3_scale.hub.repository import (
    ARGUMENTS,
    CONFIG,
    ENV_KWARGS,
    METRICS,
    PACKAGES,
    STATISTICS,
    Repository,
    add_arguments,
    algorithm,
    register,
)
from sb3_scale.notices import notice
from sb3_scale.registration import env_hint
from sb3_scale.runs import env_name
from sb3_scale.saved_statistics import STATISTICS as STATISTICS_OF_RUN

_Write = Callable[[Path, Path], Any]
"""From a file that was downloaded to one of the run."""

WITHOUT_TRUST = (
    "may be anybody's: its files are read as data and written anew, and nothing in them is run; "
    "the parts of the model come from the packages that you have installed"
)
WITH_TRUST = (
    "is trusted: its model and its settings are programs as well as data, and whoever uploaded "
    "them can run any command on this machine when they are loaded, now and by enjoy"
)


def main(words: Sequence[str] | None = None) -> None:
    """
    :param words: of the command line, those of the process by default
    :raises Sb3ScaleError: if there is no such model, a package is missing, or it needs trust
    """
    args = _parser().parse_args(words)
    if args.exp_id < 0:
        raise Sb3ScaleError(f"--exp-id is {args.exp_id}; allowed: 0 for the next number, or one")
    register(args)
    repository = Repository.of(args)
    notice(f"'{repository.id}' {WITH_TRUST if args.trust else WITHOUT_TRUST}")
    found = _algorithm(repository)
    place = _place(args)
    make_folder(place.parent)
    with TemporaryDirectory(prefix=".unfinished-", dir=place.parent) as beside:
        folder = Path(beside, "run")
        settings = folder / env_name(args.env)
        if args.trust:
            _save(repository, settings, shutil.copy, shutil.copy, shutil.copy)
        else:
            write_model = partial(stranger.write_model, found)
            write = write_model, stranger.write_settings, stranger.write_statistics
            _save(repository, settings, *write)
        if place.exists():
            shutil.rmtree(place)
        os.replace(folder, place)
    print(f"Saved to {place}")
    _tell_how_to_play(args)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("load_from_hub", description=__doc__.partition(": ")[2])
    add_arguments(parser)
    parser.add_argument("--force", action="store_true", help="replace the run of that number")
    parser.add_argument(
        "--trust", action="store_true", help="take the files as they are, programs in them too"
    )
    return parser


def _algorithm(repository: Repository) -> Any:
    """Its class; what its uploader wrote of packages names the one that is missing."""
    try:
        path = repository.download_if_there(PACKAGES)
    except Sb3ScaleError as error:
        # A misspelt name makes that of the repository wrong.
        algorithm(repository.algo)
        if repository.env_id in gymnasium.registry:
            raise
        raise Sb3ScaleError(f"{error}{env_hint(repository.env_id)}") from None
    provider, versions = packages.read(path)
    missing = packages.missing(versions)
    if missing:
        notice(f"'{repository.id}' was made with {', '.join(missing)}, not installed here")
    gone = any(each.partition(" ")[0] == provider for each in missing)
    return algorithm(repository.algo, provider if gone else "")


def _place(args: argparse.Namespace) -> Path:
    name, runs = env_name(args.env), Path(args.folder, args.algo)
    number = args.exp_id or get_latest_run_id(str(runs), name) + 1
    place = runs / f"{name}_{number}"
    if place.exists() and not args.force:
        raise Sb3ScaleError(
            f"there is a run in '{place}'; allowed: --force to replace it, or --exp-id 0 for the "
            "next number"
        )
    return place


def _save(
    repository: Repository,
    settings: Path,
    write_model: _Write,
    write_settings: _Write,
    write_statistics: _Write,
) -> None:
    """All of a run, in the folder that will have its settings in one of its own."""
    model, folder = repository.download(repository.model), settings.parent
    settings.mkdir(parents=True)
    write_model(model, folder / f"{settings.name}.zip")
    for name in (ARGUMENTS, CONFIG, ENV_KWARGS):
        write_settings(repository.download(name), settings / name)
    if statistics := repository.download_if_there(STATISTICS):
        write_statistics(statistics, settings / STATISTICS_OF_RUN)
    stranger.write_metrics(repository.download(METRICS), folder)


def _tell_how_to_play(args: argparse.Namespace) -> None:
    if args.env not in gymnasium.registry:
        notice(f"the environment '{args.env}' is not installed here{env_hint(args.env)}")
    else:
        print(
            f"Play it: python -m sb3_scale.zoo enjoy --algo {args.algo} --env {args.env} "
            f"-f {args.folder}"
        )


if __name__ == "__main__":
    main()
