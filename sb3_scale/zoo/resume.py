"""Where a training goes on: the newest whole checkpoint, with the statistics that belong to it."""

import json
import pickletools
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any
from zipfile import BadZipFile, ZipFile

from stable_baselines3.common.vec_env import VecEnv, VecNormalize

from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.notices import notice
from sb3_scale.saved_statistics import REPLAY_BUFFER, statistics_of
from sb3_scale.trust import zips

OPTIONS = ("-i", "--trained-agent")
RESUME = "--resume"
"""Our own, which RL-Zoo reads as the first of its options: the run is the same, and counts on."""

SEARCH = ("-optimize", "--optimize-hyperparameters")

BEST = "best_model.zip"

_continued: set[Path] = set()
"""Checkpoints that the command line names to count on from."""

DAMAGE = (*zips.DAMAGE, AttributeError, KeyError, MemoryError, OverflowError, TypeError)
"""What reading a cut or changed file raises, depending on where it is wrong."""


def name_checkpoint(words: list[str]) -> None:
    """
    Put the newest whole checkpoint where RL-Zoo's command line names the folder of a run.

    :param words: of the command line, which change
    :raises Sb3ScaleError: if the folder has no whole checkpoint, or ``--resume`` names none
    """
    _name_continued(words)
    for at, word in enumerate(words):
        option, _, value = word.partition("=")
        if option in OPTIONS and value:
            words[at] = f"{option}={_checkpoint(option, value)}"
        elif word in OPTIONS and at + 1 < len(words):
            words[at + 1] = _checkpoint(word, words[at + 1])


def _checkpoint(option: str, given: str) -> str:
    path = Path(given)
    if not path.exists():
        raise Sb3ScaleError(
            f"{option} is {shown(given)}, which is not there; allowed: a checkpoint, or the folder "
            "of a run, such as logs/sac/dog-run_1"
        )
    return str(newest(path)) if path.is_dir() else given


def _name_continued(words: list[str]) -> None:
    for at, word in enumerate(words):
        option, _, value = word.partition("=")
        if option != RESUME:
            continue
        given = value or "".join(words[at + 1 : at + 2])
        if not Path(given).is_dir() or not given:
            raise Sb3ScaleError(
                f"{RESUME} is {shown(given)}; allowed: the folder of a run, such as "
                "logs/sac/dog-run_1"
            )
        for other in words:
            if other.partition("=")[0] in (*OPTIONS, *SEARCH):
                raise Sb3ScaleError(f"{RESUME} and {other.partition('=')[0]}; allowed: one of them")
        if whole(Path(given))[0].name == BEST:
            raise Sb3ScaleError(
                f"{RESUME} is {shown(given)}, which has the best model and no checkpoint; allowed: "
                f"a folder that was trained with --save-freq, or {OPTIONS[0]} {Path(given, BEST)}"
            )
        if not Path(given, REPLAY_BUFFER).is_file():
            raise Sb3ScaleError(
                f"{RESUME} is {shown(given)}, which has no {REPLAY_BUFFER}; allowed: a folder that "
                f"was trained with --save-replay-buffer, or {OPTIONS[0]} {given}, which counts "
                "from 0 and begins with an empty one"
            )
        checkpoint = newest(Path(given))
        _continued.add(checkpoint)
        words[at : at + (1 if value else 2)] = [OPTIONS[0], str(checkpoint)]
        return


def counts_on(manager: Any) -> bool:
    """
    :param manager: RL-Zoo's ``ExperimentManager``
    :return: whether it goes on in the count of the run that it takes up, as ``--resume`` asks
    """
    return bool(manager.continue_training) and Path(manager.trained_agent) in _continued


def check_stock(manager: Any, policy: Any) -> None:
    """
    :param manager: RL-Zoo's ``ExperimentManager``, of a run without ScalePolicy
    :param policy: that its settings name
    :raises Sb3ScaleError: if it shall count on, which its checkpoints cannot, or goes on from a
        checkpoint that has one
    """
    if counts_on(manager):
        raise Sb3ScaleError(
            f"{RESUME} is for runs with policy: ScalePolicy; allowed with this one: -i "
            f"{manager.trained_agent}"
        )
    if manager.continue_training and _is_ours(Path(manager.trained_agent)):
        raise Sb3ScaleError(
            f"'{manager.trained_agent}' has a ScalePolicy, and the settings have policy: "
            f"{shown(policy)}; allowed: policy: ScalePolicy"
        )


def _is_ours(path: Path) -> bool:
    try:
        return "part_providers" in _data(path)
    except DAMAGE:
        # Who loads it says what is wrong with it.
        return False


def newest(folder: Path) -> Path:
    """
    :param folder: of a run, for instance ``logs/sac/dog-run_1``
    :return: its newest checkpoint that is whole; the best model only if there is no other
    :raises Sb3ScaleError: if there is none
    """
    path, damaged = whole(folder)
    if damaged:
        notice(f"left out: {'; '.join(damaged)}")
    notice(f"goes on from {path}, saved after {decisions_of(path):,} decisions")
    return path


def whole(folder: Path) -> tuple[Path, list[str]]:
    """
    :param folder: of a run
    :return: its newest checkpoint that is whole, and what is wrong with those that are newer
    :raises Sb3ScaleError: if there is none
    """
    found: list[tuple[bool, int, Path]] = []
    damaged: list[str] = []
    for path in sorted(folder.glob("[!.]*.zip")):
        try:
            found.append((path.name != BEST, decisions_of(path), path))
        except DAMAGE as error:
            damaged.append(damage(path, error))
    for _, _, path in sorted(found, reverse=True):
        try:
            _check(path)
        except DAMAGE as error:
            damaged.append(damage(path, error))
            continue
        return path, damaged
    reason = "; ".join(damaged) or "it has no *.zip"
    raise Sb3ScaleError(f"folder '{folder}' has no whole checkpoint to go on from: {reason}")


def use(manager: Any, normalize: Any) -> None:
    """
    Let a run that goes on from a checkpoint have the statistics that were saved with it.

    RL-Zoo takes the newest, which may be those of a later best model.

    :param manager: RL-Zoo's ``ExperimentManager``
    :param normalize: of the settings
    :raises Sb3ScaleError: if their file is damaged, or missing where the settings ask for some
    """
    if not manager.continue_training:
        return
    agent = Path(manager.trained_agent)
    path = statistics_of(agent, agent.parent / manager.env_name)
    if path is None and normalize in (None, False, "False"):
        return
    if path is None:
        raise Sb3ScaleError(
            f"normalize is {shown(normalize)}, and '{agent.parent}' has no statistics to go on "
            f"with; allowed: {manager.env_name}/vecnormalize.pkl there, or normalize: false for an "
            "agent that learned without"
        )
    try:
        _check_pickle(path)
    except DAMAGE as error:
        raise Sb3ScaleError(f"statistics {damage(path, error)}") from None
    manager._maybe_normalize = partial(_normalize, path, manager._maybe_normalize)


def _normalize(path: Path, zoo: Any, env: VecEnv, eval_env: bool) -> VecEnv:
    wrapped: VecEnv = zoo(env, eval_env)
    if not isinstance(wrapped, VecNormalize):
        return wrapped
    try:
        own = VecNormalize.load(str(path), env)
    except AssertionError as error:
        raise Sb3ScaleError(f"statistics '{path}' are of other observations: {error}") from None
    # Whatever a changed byte of a pickle makes it raise.
    except Exception as error:
        raise Sb3ScaleError(f"statistics {damage(path, error)}") from None
    own.training, own.norm_reward = wrapped.training, wrapped.norm_reward
    return own


def decisions_of(path: Path) -> int:
    """
    :param path: of a checkpoint
    :return: decisions that had been made when it was saved
    """
    return int(_data(path)["num_timesteps"])


def _data(path: Path) -> Any:
    with ZipFile(path) as archive:
        return json.loads(archive.read("data"))


def _check(path: Path) -> None:
    with ZipFile(path) as archive:
        wrong = archive.testzip()
    if wrong is not None:
        raise BadZipFile(f"bad checksum of '{wrong}'")
    for params in path.parent.glob("*/args.yml"):
        statistics = statistics_of(path, params.parent)
        if statistics is not None:
            _check_pickle(statistics)


def _check_pickle(path: Path) -> None:
    """Read it to its end without making anything of it."""
    with path.open("rb") as file:
        _exhaust(pickletools.genops(file))


def _exhaust(items: Iterable[Any]) -> None:
    for _ in items:
        pass


def damage(path: Path, error: Exception) -> str:
    """
    :param path: of a file
    :param error: that reading it raised
    :return: what is wrong with it
    """
    return f"'{path}' is damaged: {str(error) or type(error).__name__}"
