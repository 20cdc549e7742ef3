"""Replay buffers from files, for an algorithm."""

import io
import pathlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from stable_baselines3.common.save_util import open_path

from sb3_scale.algorithms.buffer_checks import (
    check_buffer_and_loss,
    check_fit,
    check_replay_buffer,
    check_stored,
)
from sb3_scale.algorithms.goals import HINDSIGHT, give_environment
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.files import check_place
from sb3_scale.notices import notice
from sb3_scale.replay import files
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.replay.spaces import fingerprint, same_number, same_spaces

Place = str | pathlib.Path | io.BufferedIOBase


def holds_arrays(path: Place) -> bool:
    """
    :param path: of the file, or a file that is open
    :return: whether it is one of arrays, which runs nothing when it is read
    """
    with _reading(path) as file:
        return files.is_array_file(_head(file))


def load(
    model: Any,
    path: Place,
    truncate_last_traj: bool,
    trust: bool,
    library_load: Callable[[Place, bool], None],
) -> None:
    """
    Give an algorithm the replay buffer of a file.

    :param model: the algorithm, which keeps the buffer that it has if the file's does not fit
    :param path: of the file, or a file that is open
    :param truncate_last_traj: whether the last episode of a buffer with hindsight is over
    :param trust: whether a pickle may be read, which can run commands
    :param library_load: the method of Stable-Baselines3, for its own policies and files
    :raises Sb3ScaleError: if the file cannot be read, or its buffer does not fit
    """
    if not model.scaled and trust and not holds_arrays(path):
        library_load(path, truncate_last_traj)
        check_fit(model)
        give_environment(model)
        return
    # Whoever frees the memory for the one to come deletes it.
    before = vars(model).get("replay_buffer")
    model.replay_buffer = read(model, path, truncate_last_traj, trust)
    try:
        check_fit(model)
        if model.scaled:
            check_replay_buffer(model)
            _check_same_steps(model.replay_buffer, before)
            check_buffer_and_loss(model)
    except Sb3ScaleError:
        model.replay_buffer = before
        raise
    # Without environments the buffer before is a stand-in.
    if model.scaled and before is not None and model.env is not None:
        _tell_of_other(model.replay_buffer, before)


def _tell_of_other(loaded: Any, before: Any) -> None:
    """What the file decides, where the settings asked for something else."""
    names = {"buffer_size", *_saved(before)} & {"buffer_size", *_saved(loaded)}
    theirs, ours = (
        {"replay_buffer_class": type(each).__name__, **{name: vars(each)[name] for name in names}}
        for each in (loaded, before)
    )
    other = [
        f"{name} {theirs[name]} and not {ours[name]}"
        for name in sorted(ours)
        if theirs[name] != ours[name]
    ]
    if other:
        notice(f"the replay buffer goes on as the file has it: {', '.join(other)}")


def _saved(buffer: Any) -> tuple[str, ...]:
    return buffer.saved_arguments if isinstance(buffer, CompactReplayBuffer) else ()


def _check_same_steps(loaded: Any, before: Any) -> None:
    found, wanted = (getattr(each, "n_steps", 1) for each in (loaded, before))
    if before is not None and found != wanted:
        raise Sb3ScaleError(
            f"the replay buffer of the file gives returns over {found} steps, and that of the "
            f"algorithm over {wanted}; allowed: the same"
        )


def read(model: Any, path: Place, truncate_last_traj: bool, trust: bool) -> Any:
    """
    :param model: the algorithm
    :param path: of the file, or a file that is open
    :param truncate_last_traj: whether the last episode of a buffer with hindsight is over
    :param trust: whether a pickle may be read, which can run commands
    :return: a replay buffer for the algorithm, which has not changed
    :raises Sb3ScaleError: if it is damaged, of another task, a pickle that is not trusted, or holds
        a number that is not finite
    """
    name = str(path) if isinstance(path, (str, pathlib.Path)) else type(path).__name__
    with _reading(path) as file:
        buffer = _read(model, file, name, trust)
    check_stored(buffer, name)
    if not hasattr(buffer, "handle_timeout_termination"):
        # As in Stable-Baselines3, for buffers of its versions before 2.1.
        buffer.handle_timeout_termination = False
        buffer.timeouts = np.zeros_like(buffer.dones)
    if isinstance(buffer, HINDSIGHT):
        if model.env is None:
            raise Sb3ScaleError(
                f"'{name}' is a {type(buffer).__name__}, and there is no environment to compute "
                "rewards; allowed: after set_env"
            )
        buffer.env = model.env
        if truncate_last_traj:
            buffer.truncate_last_trajectory()
    buffer.device = model.device
    return buffer


@contextmanager
def _reading(path: Place) -> Iterator[Any]:
    check_place("replay buffer", path)
    if isinstance(path, (str, pathlib.Path)) and pathlib.Path(path).is_dir():
        raise Sb3ScaleError(f"replay buffer '{path}' is a folder; allowed: a file")
    file = open_path(path, "r", suffix="pkl")
    try:
        yield file
    finally:
        if file is not path:
            file.close()


def _head(file: Any) -> bytes:
    head: bytes = file.read(files.HEAD)
    file.seek(-len(head), io.SEEK_CUR)
    return head


def _read(model: Any, file: Any, name: str, trust: bool) -> Any:
    head = _head(file)
    spaces = model.observation_space, model.action_space
    if files.is_array_file(head):
        return files.read(file, name, *spaces, model.n_envs)
    if head[:1] != b"\x80":
        raise Sb3ScaleError(f"'{name}' is no replay buffer, neither of arrays nor a pickle")
    if not trust:
        raise Sb3ScaleError(
            f"replay buffer '{name}' is a pickle, which can run commands, and trust is False; "
            "allowed: files of arrays, as save_replay_buffer writes them"
        )
    buffer = files.unpickle(file, name)
    for what, ours in zip(("observation_space", "action_space"), spaces, strict=True):
        same_spaces(name, what, fingerprint(getattr(buffer, what)), fingerprint(ours))
    same_number(name, buffer.n_envs, model.n_envs)
    return buffer
