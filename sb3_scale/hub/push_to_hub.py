"""``python -m sb3_scale.zoo push_to_hub``: a trained model to Hugging Face's hub."""

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

import huggingface_hub
import yaml
from rl_zoo3.utils import StoreDict

from sb3_scale.algorithms import ScaleAlgorithm
from sb3_scale.algorithms.resolved import resolved
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.hub import packages
from sb3_scale.hub.card import card, command_of
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
    in_one_sentence,
    register,
)
from sb3_scale.hub.trained_run import Played, TrainedRun, film, play
from sb3_scale.learning_curve import draw
from sb3_scale.notices import notice
from sb3_scale.quantities import at_least
from sb3_scale.registration import check_env_id
from sb3_scale.runs import EVALUATIONS

VIDEO = "replay.mp4"
"""The hub's name of what it shows first."""


def main(words: Sequence[str] | None = None) -> None:
    """
    :param words: of the command line, those of the process by default
    :raises Sb3ScaleError: if there is nothing to upload, or the hub does not take it
    """
    args = _parser().parse_args(words)
    register(args)
    found = algorithm(args.algo)
    check_env_id(args.env)
    trained = TrainedRun(args)
    if args.env_kwargs is not None:
        trained.run.env_kwargs.update(args.env_kwargs)
    _check_token()
    repository = Repository.of(args)
    env = trained.make_env(render=args.n_timesteps > 0, seed=args.seed)
    model = trained.load(found, env)
    reader = "you, if it is new," if args.private else "everybody"
    notice(
        f"plays {args.n_eval_episodes} episodes of {args.env}, and uploads to "
        f"{repository.address}, which {reader} can read"
    )
    with TemporaryDirectory() as folder:
        _copy_model(Path(folder), repository, trained)
        played = play(model, env, args.n_eval_episodes, not args.stochastic)
        if args.n_timesteps > 0:
            film(model, env, args.n_timesteps, not args.stochastic, Path(folder, VIDEO))
        _fill(Path(folder), repository, trained, model, played)
        address = _upload(Path(folder), repository, args.commit_message, args.private)
    notice(f"uploaded: {address}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("push_to_hub", description=__doc__.partition(": ")[2])
    add_arguments(parser)
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--load-best", action="store_true", help="the best model, not the last")
    which.add_argument("--load-checkpoint", type=int, help="the checkpoint after so many decisions")
    which.add_argument("--load-last-checkpoint", action="store_true", help="the last checkpoint")
    parser.add_argument("--n-eval-episodes", type=at_least(1), default=10, help="10 by default")
    parser.add_argument("--stochastic", action="store_true", help="sample actions in them")
    parser.add_argument("--seed", type=int, default=0, help="of their environment")
    parser.add_argument("--env-kwargs", nargs="+", action=StoreDict, help="beside the run's")
    parser.add_argument(
        "-n", "--n-timesteps", type=int, default=0, help="of a video, none by default"
    )
    parser.add_argument("--private", action="store_true", help="make a new repository private")
    parser.add_argument("-m", "--commit-message", default="Trained model", help="of the upload")
    return parser


def _check_token() -> None:
    if huggingface_hub.get_token() is None:
        raise Sb3ScaleError(
            "there is no token of the hub: make one with the right to write at "
            "https://huggingface.co/settings/tokens, then call hf auth login or set HF_TOKEN"
        )


def _copy_model(folder: Path, repository: Repository, trained: TrainedRun) -> None:
    """Before it plays: a training that goes on replaces model and statistics."""
    shutil.copy(trained.path, folder / repository.model)
    if trained.statistics is not None:
        shutil.copy(trained.statistics, folder / STATISTICS)


def _fill(
    folder: Path, repository: Repository, trained: TrainedRun, model: Any, played: Played
) -> None:
    """Put settings, the learning curve, the versions and the card beside the model."""
    for name in (ARGUMENTS, CONFIG):
        shutil.copy(trained.settings / name, folder / name)
    _write_yaml(folder / ENV_KWARGS, trained.run.env_kwargs)
    with ZipFile(folder / METRICS, "w") as archive:
        for path in (*trained.folder.glob(EVALUATIONS), *trained.folder.glob("*.csv")):
            archive.write(path, path.name)
    (folder / "results.json").write_text(json.dumps(asdict(played)))
    draw(trained.run, None, folder / "learning_curve.png")
    scaled = isinstance(model, ScaleAlgorithm) and model.scaled
    providers = model.part_providers.values() if scaled else ()
    versions = packages.needed(repository.algo, repository.env_id, providers)
    provider = packages.provider_of(repository.algo)
    _write_yaml(folder / PACKAGES, {"algorithm": provider, "packages": versions})
    built = resolved(model) if scaled else None
    command = command_of(trained.settings)
    decisions = int(model.num_timesteps)
    text = card(repository, trained.run, decisions, played, command, built, versions)
    (folder / "README.md").write_text(text, encoding="utf-8")


def _write_yaml(path: Path, content: dict[str, Any]) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def _upload(folder: Path, repository: Repository, message: str, private: bool) -> str:
    api = huggingface_hub.HfApi(library_name="sb3_scale")
    with in_one_sentence(repository.id):
        address = api.create_repo(repository.id, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repository.id,
            folder_path=folder,
            commit_message=message,
            # Those of a model that was there before would be taken for this one's.
            delete_patterns=[STATISTICS, VIDEO],
        )
    return str(address)


if __name__ == "__main__":
    main()
