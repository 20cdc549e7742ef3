"""Files that are there as a whole or not at all."""

import errno
import os
import shutil
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import escape
from pathlib import Path
from typing import Any

from sb3_scale.errors import Sb3ScaleError, shown

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)
"""What a file system answers that takes no more."""


ABANDONED = 600.0
"""Seconds without a change after which a file that was not finished is nobody's."""


class UnwritableError(Sb3ScaleError, OSError):
    """A file that cannot be written; code that expects the system's error catches it too."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """
    Write a file beside its place, then put it there: whoever is killed leaves the file as it was.

    :param path: of the file, which may exist; what a link leads to is replaced, and a device or
        a pipe written to in place
    :return: where to write; its ending is that of ``path``, and patterns of a shell skip it
    :raises UnwritableError: if it is a folder, the disk is full, the folder read-only or the like
    """
    path = Path(os.path.realpath(path))
    there = path.exists()
    if path.is_dir():
        raise UnwritableError(f"'{path}' cannot be written: it is a folder")
    if there and not path.is_file():
        yield path
        return
    # Two threads or processes do not meet, and a long name does not become too long.
    name = path.name[-50:]
    unfinished = path.with_name(f".unfinished-{threading.get_native_id()}-{name}")
    _remove_abandoned(path, name)
    try:
        yield unfinished
        if there:
            shutil.copymode(path, unfinished)
        os.replace(unfinished, path)
    except (OSError, RuntimeError) as error:
        reason = _reason(error, path, unfinished)
        if reason is None:
            raise
        kept = "the one before is still there, whole" if there else "no part of it is left"
        raise UnwritableError(f"'{path}' cannot be written: {reason}; {kept}") from error
    finally:
        unfinished.unlink(missing_ok=True)


def check_place(what: str, place: Any) -> None:
    """
    :param what: it is, for the message
    :param place: where to read or write
    :raises Sb3ScaleError: if it is neither a path that can be one nor an open file
    """
    if isinstance(place, (str, Path)):
        if "\0" in str(place):
            raise Sb3ScaleError(f"{what} is {shown(str(place))}; allowed: names without NUL")
    elif not (hasattr(place, "read") or hasattr(place, "write")):
        raise Sb3ScaleError(f"{what} is {shown(place)}; allowed: a path, or an open file")


@contextmanager
def written_whole(path: Any, suffix: str) -> Iterator[Any]:
    """
    Find the file as Stable-Baselines3 does when it saves, and replace it as a whole.

    :param path: of the file, or an open one, which is written to as it is
    :param suffix: that a path without one gets
    :return: what to write to
    :raises UnwritableError: if the file cannot be written
    :raises Sb3ScaleError: if it is no path
    """
    check_place("the file to save", path)
    if not isinstance(path, (str, Path)):
        yield path
        return
    path = Path(path)
    if not path.suffix:
        path = Path(f"{path}.{suffix}")
    if path.is_dir():
        warnings.warn(f"Path '{path}' is a folder. Will save instead to {path}_2", stacklevel=4)
        path = Path(f"{path}_2")
    if not path.parent.exists():
        warnings.warn(f"Path '{path.parent}' does not exist. Will create it.", stacklevel=4)
        make_folder(path.parent)
    with replacing(path) as unfinished, unfinished.open("wb") as file:
        yield file


def make_folder(path: Path) -> None:
    """
    :param path: of a folder; one that is there is left as it is
    :raises UnwritableError: if it cannot be made
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableError(f"folder '{path}' cannot be made: {error.strerror}") from error


def _remove_abandoned(path: Path, name: str) -> None:
    """What writers left who were killed, to which nobody writes any more."""
    with suppress(OSError):
        for other in path.parent.glob(f".unfinished-*-{escape(name)}"):
            with suppress(OSError):
                if time.time() - other.stat().st_mtime > ABANDONED:
                    other.unlink()


def _reason(error: BaseException | None, *paths: Path) -> str | None:
    """Why a file could not be written; none if something else failed meanwhile."""
    # PyTorch hides the system's error behind its own.
    while error is not None:
        if isinstance(error, UnwritableError):
            return None
        if isinstance(error, OSError) and (
            error.errno in NO_ROOM or error.filename in map(str, paths)
        ):
            return error.strerror
        error = error.__cause__ or error.__context__
    return None
