"""What a checkpoint holds beyond Stable-Baselines3's, and whether one is whole."""

import io
import pathlib
import random
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch as th
from gymnasium import spaces

from sb3_scale.errors import Sb3ScaleError

_NEEDED = ("data", "policy.pth", "actor.optimizer.pth", "critic.optimizer.pth")
"""Files of every checkpoint."""

_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
)
"""What ``zipfile`` raises when bytes are wrong, depending on where they are."""


def check_archive(path: str | pathlib.Path | io.BufferedIOBase) -> None:
    """
    Find the file as Stable-Baselines3 does; a missing one is left to it.

    :param path: of the zip file
    :raises Sb3ScaleError: if it is damaged or incomplete
    """
    if isinstance(path, (str, pathlib.Path)):
        path = pathlib.Path(path)
        if not path.exists():
            path = pathlib.Path(f"{path}.zip")
        if not path.exists():
            return
    try:
        with zipfile.ZipFile(path) as archive:
            wrong = archive.testzip()
            names = archive.namelist()
    except _DAMAGE as error:
        reason = str(error) or type(error).__name__
        raise Sb3ScaleError(f"checkpoint {path} is damaged: {reason}") from None
    if wrong is not None:
        raise Sb3ScaleError(f"checkpoint {path} is damaged: bad checksum of '{wrong}'")
    missing = [name for name in _NEEDED if name not in names]
    if missing:
        raise Sb3ScaleError(f"{path} is no whole checkpoint: it lacks '{missing[0]}'")


@contextmanager
def whole_checkpoint(
    path: str | pathlib.Path | io.BufferedIOBase, algorithm: str
) -> Iterator[None]:
    """
    Within it, what is wrong with a checkpoint becomes one sentence.

    :param path: of the zip file, checked first
    :param algorithm: that loads it
    :raises Sb3ScaleError: if it is damaged, incomplete or another algorithm's
    """
    check_archive(path)
    try:
        yield
    except (KeyError, RuntimeError) as error:
        # Where the names of networks and optimisers differ, or those of what they hold.
        reason = " ".join(str(error).split())
        raise Sb3ScaleError(
            f"{path} is no whole checkpoint of {algorithm} of this version: {reason}"
        ) from error


def random_states(action_space: spaces.Space[Any]) -> dict[str, Any]:
    """
    :param action_space: whose generator draws the first actions
    :return: states of all generators that training uses
    """
    return {
        "python": random.getstate(),
        "numpy": np.random.get_state(),
        "torch": th.get_rng_state(),
        "cuda": th.cuda.get_rng_state_all() if th.cuda.is_available() else [],
        "actions": action_space.np_random.bit_generator.state,
    }


def set_random_states(states: dict[str, Any], action_space: spaces.Space[Any]) -> None:
    """
    :param states: of :func:`random_states`
    :param action_space: whose generator draws the first actions
    """
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])
    th.set_rng_state(states["torch"])
    if len(states["cuda"]) == th.cuda.device_count():
        th.cuda.set_rng_state_all(states["cuda"])
    action_space.np_random.bit_generator.state = states["actions"]
