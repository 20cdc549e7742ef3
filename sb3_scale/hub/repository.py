"""A repository of Hugging Face's hub: its names, its files, and what the hub's errors say."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub
from huggingface_hub import errors
from rl_zoo3 import ALGOS

from sb3_scale.errors import Sb3ScaleError, shown, suggestion
from sb3_scale.parts import load_target
from sb3_scale.plugins import manager
from sb3_scale.registration import import_packages, register_envs
from sb3_scale.runs import env_name

ARGUMENTS, CONFIG, ENV_KWARGS = "args.yml", "config.yml", "env_kwargs.yml"
METRICS = "train_eval_metrics.zip"
STATISTICS = "vec_normalize.pkl"
"""RL-Zoo's name on the hub; in the folder of a run it is another."""
PACKAGES = "packages.yml"
"""Ours: who brings the algorithm, and the version of each package that the model needs."""


@dataclass(frozen=True)
class Repository:
    """
    Of one model.

    :param algo: name of the algorithm
    :param env_id: the environment
    :param id: ``ORGANIZATION/NAME``
    """

    algo: str
    env_id: str
    id: str

    @classmethod
    def of(cls, args: argparse.Namespace) -> "Repository":
        """
        :param args: of :func:`add_arguments`
        :return: the repository that they name, RL-Zoo's name ``ALGO-ENV`` by default
        """
        name = args.repo_name or f"{args.algo}-{env_name(args.env)}"
        return cls(args.algo, args.env, f"{args.organization}/{name}")

    @property
    def model(self) -> str:
        """RL-Zoo's name of the model's file."""
        return f"{self.algo}-{env_name(self.env_id)}.zip"

    @property
    def address(self) -> str:
        """Where it is on the hub."""
        return f"{_address()}/{self.id}"

    def download(self, name: str) -> Path:
        """
        :param name: of a file
        :return: where it is on this machine
        :raises Sb3ScaleError: if there is no such file or repository, or the hub cannot be reached
        """
        with in_one_sentence(self.id):
            return Path(huggingface_hub.hf_hub_download(self.id, name))

    def download_if_there(self, name: str) -> Path | None:
        """
        :param name: of a file that not every model has
        :return: where it is on this machine, nothing if the repository has none
        :raises Sb3ScaleError: if there is no such repository, or the hub cannot be reached
        """
        with in_one_sentence(self.id):
            try:
                return Path(huggingface_hub.hf_hub_download(self.id, name))
            except errors.RemoteEntryNotFoundError:
                return None


@contextmanager
def in_one_sentence(repo: str) -> Iterator[None]:
    """
    :param repo: that the ``with`` block asks for
    :raises Sb3ScaleError: in place of what the hub refuses, or of a hub that is not reached
    """
    try:
        yield
    except errors.HFValidationError as error:
        raise Sb3ScaleError(f"the hub has no repository named {shown(repo)}: {error}") from None
    except errors.GatedRepoError:
        raise Sb3ScaleError(f"'{repo}' asks for consent: give it at {_address()}/{repo}") from None
    except errors.RepositoryNotFoundError:
        raise Sb3ScaleError(
            f"there is no repository '{repo}' on {_address()}, or it is private and your token "
            "does not open it; allowed: ORGANIZATION/NAME, by --organization and --repo-name"
        ) from None
    except errors.RemoteEntryNotFoundError as error:
        name = error.response.url.path.rpartition("/")[2]
        raise Sb3ScaleError(
            f"'{repo}' has no file '{name}', which each model of RL-Zoo has"
        ) from None
    except errors.HfHubHTTPError as error:
        raise Sb3ScaleError(
            f"the hub refuses '{repo}' with status {error.response.status_code}: "
            f"{shown(error.server_message or str(error))}"
        ) from None
    except (errors.HTTPError, errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled) as error:
        reason = type(error.__cause__ or error).__name__
        raise Sb3ScaleError(f"the hub at {_address()} is not reached ({reason})") from None


def _address() -> str:
    return str(huggingface_hub.constants.ENDPOINT)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """
    :param parser: of either command; the options have RL-Zoo's names
    """
    parser.add_argument("--algo", required=True, help="name of the algorithm")
    parser.add_argument("--env", required=True, help="id of the environment")
    parser.add_argument("-f", "--folder", required=True, help="of all runs, for instance logs")
    parser.add_argument("-orga", "--organization", required=True, help="user or organization")
    parser.add_argument("-name", "--repo-name", help="of the repository, by default ALGO-ENV")
    parser.add_argument(
        "--exp-id", type=int, default=0, help="number of the run, by default the newest or next"
    )
    parser.add_argument(
        "--gym-packages", nargs="+", default=[], help="to import as they register the environment"
    )


def register(args: argparse.Namespace) -> None:
    """
    :param args: whose packages register environments
    :raises Sb3ScaleError: if one cannot be imported
    """
    import_packages("--gym-packages", args.gym_packages)
    register_envs()


def algorithm(name: str, provider: str = "") -> Any:
    """
    :param name: of an algorithm, of RL-Zoo or a plugin
    :param provider: distribution that had it when the model was uploaded, if it is missing here
    :return: its class
    :raises Sb3ScaleError: if there is none, more than one, or it cannot be imported
    """
    if name in ALGOS:
        manager().check_offered_once("algorithm", name)
        return ALGOS[name]
    offered = any(spec.name == name for _, spec in manager().specs("algorithm"))
    if offered or provider or manager().missing_package("algorithm", name):
        return load_target(manager().find("algorithm", name, provider)[1])
    raise Sb3ScaleError(f"there is no algorithm {shown(name)}{suggestion(name, ALGOS)}")
