"""Reads the folder of a training run of RL-Zoo."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import ZipFile

import numpy as np
import yaml
from numpy.typing import NDArray

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.monitors import EARLIER, FINISHED_AT, read_episodes, reading_monitors
from sb3_scale.recipes.changes import REPEAT
from sb3_scale.recipes.registered import with_own_repeat
from sb3_scale.structures import BoundedLoader, read_yaml
from sb3_scale.trust.zips import DAMAGE, check_size

if TYPE_CHECKING:
    import pandas

EVALUATIONS = "evaluations.npz"
"""What RL-Zoo writes of evaluations."""

SKIPPING = {
    "AtariPreprocessing": ("frame_skip", 4),
    "AtariWrapper": ("frame_skip", 4),
    "FrameSkip": ("skip", 4),
    "MaxAndSkipEnv": ("skip", 4),
    "MaxAndSkipObservation": ("skip", 4),
    "RepeatAction": ("num_repeats", 1),
}
"""What others call ``action_repeat`` in their wrappers, and its default."""

ORDERED = "object/apply:collections.OrderedDict"


@dataclass(frozen=True)
class Run:
    """
    A training run; ``n`` finished episodes and ``k`` evaluations, both may be none.

    :param algo: name of the algorithm
    :param env_id: the environment
    :param env_kwargs: its arguments, with the ``action_repeat`` that it has of its own
    :param seed: of the run
    :param settings: what RL-Zoo read from the settings file and ``-params``
    :param action_repeat: environment steps per decision of the agent
    :param decisions: actions that the agent chose
    :param gradient_steps: of a finished run, else 0
    :param returns: of the episodes, shape ``(n,)``
    :param finished_at: decisions made when each episode ended, shape ``(n,)``
    :param finished_after: wall clock from the start to the end of each episode, seconds, shape
        ``(n,)``
    :param evaluations: returns, shape ``(k, episodes per evaluation)``
    :param evaluated_at: decisions made before each evaluation, shape ``(k,)``
    :param trained_agent: the checkpoint that it began with, if it did
    :param counts_on: whether it went on in the count of that one's run, whose evaluations it has
    """

    algo: str
    env_id: str
    env_kwargs: dict[str, Any]
    seed: int
    settings: dict[str, Any]
    action_repeat: int
    decisions: int
    gradient_steps: int
    returns: NDArray[np.float64]
    finished_at: NDArray[np.int64]
    finished_after: NDArray[np.float64]
    evaluations: NDArray[np.float64]
    evaluated_at: NDArray[np.int64]
    trained_agent: Path | None = None
    counts_on: bool = False

    @property
    def env_name(self) -> str:
        """The environment in RL-Zoo's names of files."""
        return env_name(self.env_id)


def action_repeats(env_kwargs: Mapping[str, Any], env_wrapper: Any) -> list[Any]:
    """
    :param env_kwargs: arguments of an environment
    :param env_wrapper: around it, in RL-Zoo's notation
    :return: how often the environment and each wrapper takes an action, unchecked; their product is
        the number of environment steps per decision
    """
    return [env_kwargs.get(REPEAT, 1), *_wrapper_repeats(env_wrapper)]


def _wrapper_repeats(env_wrapper: Any) -> list[Any]:
    found = []
    for entry in env_wrapper if isinstance(env_wrapper, list) else [env_wrapper]:
        for name, arguments in entry.items() if isinstance(entry, dict) else [(entry, {})]:
            key, default = SKIPPING.get(str(name).rpartition(".")[2], (REPEAT, 1))
            found.append(arguments.get(key, default) if isinstance(arguments, dict) else default)
    return found


def _product(path: Path, repeats: Iterable[Any]) -> int:
    counts = [_whole(path, REPEAT, each) for each in repeats]
    if min(counts, default=1) < 1:
        raise Sb3ScaleError(f"'{path}': {REPEAT} is {min(counts)}; allowed: at least 1")
    return math.prod(counts)


def env_name(env_id: str) -> str:
    """
    :param env_id: an environment
    :return: it in RL-Zoo's names of files and folders
    """
    return env_id.replace("/", "-")


def read_run(folder: Path) -> Run:
    """
    :param folder: for instance ``logs/sac/dog-run_1``
    :return: what RL-Zoo wrote there
    :raises Sb3ScaleError: if a file is missing or cannot be read
    """
    settings_file = next(folder.glob("*/args.yml"), None)
    if not folder.is_dir():
        raise Sb3ScaleError(f"there is no folder '{folder}'")
    if settings_file is None or next(folder.glob("*monitor.csv"), None) is None:
        raise Sb3ScaleError(
            f"'{folder}' is not the folder of a run: it lacks *.monitor.csv or the settings of "
            f"RL-Zoo{_runs_below(folder)}"
        )
    arguments = read_plain(settings_file)
    config_file = settings_file.with_name("config.yml")
    config = read_plain(config_file)
    env_kwargs = config.get("env_kwargs") or arguments.get("env_kwargs") or {}
    if not isinstance(env_kwargs, dict) or not all(isinstance(key, str) for key in env_kwargs):
        raise Sb3ScaleError(f"'{settings_file}': env_kwargs must be a mapping")
    env_kwargs = with_own_repeat(str(arguments.get("env")), env_kwargs)
    agent = arguments.get("trained_agent")
    returns, finished_at, finished_after = _read_monitor(folder)
    evaluations, evaluated_at = _read_evaluations(folder / EVALUATIONS)
    decisions, gradient_steps = _saved_counts(folder, settings_file.parent.name)
    return Run(
        str(arguments.get("algo")),
        str(arguments.get("env")),
        env_kwargs,
        _whole(settings_file, "seed", arguments.get("seed", -1)),
        config,
        _product(config_file, action_repeats(env_kwargs, config.get("env_wrapper"))),
        # The model counts the last, unfinished episode too; an interrupted run has no model.
        decisions or int(max([0, *finished_at[-1:], *evaluated_at[-1:]])),
        gradient_steps,
        returns,
        finished_at,
        finished_after,
        evaluations,
        evaluated_at,
        Path(agent) if isinstance(agent, str) and agent else None,
        (folder / EARLIER).exists(),
    )


def episodes_of(folder: Path) -> "pandas.DataFrame":
    """
    :param folder: of a run, whose settings tell which wrappers repeat actions
    :return: its episodes, as :func:`~sb3_scale.monitors.read_episodes` has them
    :raises Sb3ScaleError: if a file cannot be read
    """
    path = next(folder.glob("*/config.yml"), None)
    wrapper = None if path is None else read_plain(path).get("env_wrapper")
    # RL-Zoo puts wrappers around Monitor.
    return read_episodes(folder, _product(path or folder, _wrapper_repeats(wrapper)))


def read_evaluated(folder: Path) -> Run:
    """
    :param folder: for instance ``logs/sac/dog-run_1``
    :return: what RL-Zoo wrote there, with at least one evaluation
    :raises Sb3ScaleError: if a file is missing or cannot be read, or there is no evaluation
    """
    run = read_run(folder)
    if not run.evaluations.size:
        raise Sb3ScaleError(f"'{folder}' has no evaluation")
    return run


def _whole(path: Path, key: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Sb3ScaleError(f"'{path}': {key} is {str(value)[:100]!r}; allowed: a whole number")
    return value


def _runs_below(folder: Path) -> str:
    below = sorted({path.parent for path in folder.glob("**/*monitor.csv")})
    return f"; did you mean '{below[-1]}'?" if below else ""


def _read_monitor(
    folder: Path,
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    with reading_monitors(folder):
        table = episodes_of(folder)
        columns = (table[name].to_numpy() for name in ("r", FINISHED_AT, "t"))
        returns, finished_at, finished_after = columns
        return returns.astype(np.float64), finished_at.astype(np.int64), finished_after


def _read_evaluations(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    if not path.exists():
        return np.zeros((0, 0)), np.zeros(0, dtype=np.int64)
    try:
        with ZipFile(path) as archive:
            check_size(archive, path.stat().st_size)
        with np.load(path) as data:
            results = np.asarray(data["results"], np.float64)
            timesteps = np.asarray(data["timesteps"], np.int64)
    except (*DAMAGE, KeyError, MemoryError, SyntaxError, TypeError) as error:
        raise Sb3ScaleError(f"'{path}' cannot be read: {error}") from None
    if results.ndim != 2 or timesteps.shape != results.shape[:1]:
        raise Sb3ScaleError(
            f"'{path}' has results of shape {results.shape} and timesteps of shape "
            f"{timesteps.shape}; allowed: (k, episodes) and (k,)"
        )
    return results, timesteps


def _saved_counts(folder: Path, model: str) -> tuple[int, int]:
    path = folder / f"{model}.zip"
    if not path.exists():
        return 0, 0
    try:
        with ZipFile(path) as archive:
            check_size(archive, path.stat().st_size)
            data = json.loads(archive.read("data"))
            return int(data["num_timesteps"]), int(data["_n_updates"])
    except (*DAMAGE, KeyError, OverflowError, RecursionError, TypeError) as error:
        raise Sb3ScaleError(f"'{path}' cannot be read: {error}") from None


class _Loader(BoundedLoader):
    """Reads the Python objects that RL-Zoo writes as plain data, without running anything."""


def _plain(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        items = loader.construct_sequence(node, deep=True)
        return dict(items[0]) if tag == ORDERED and items else items
    return str(node.value)


_Loader.add_multi_constructor("tag:yaml.org,2002:python/", _plain)


def read_plain(path: Path) -> dict[str, Any]:
    """
    :param path: of a file of YAML that RL-Zoo wrote
    :return: its content as plain data, nothing of which is run
    :raises Sb3ScaleError: if it cannot be read, or is no mapping
    """
    content = read_yaml(path, _Loader)
    if not isinstance(content, dict):
        raise Sb3ScaleError(f"'{path}' must be a mapping, as RL-Zoo writes it")
    return content
