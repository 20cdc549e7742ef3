"""The zip file of a checkpoint: whole, and no larger than it looks."""

import io
import pathlib
import zipfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from stable_baselines3.common.save_util import open_path

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.files import check_place
from sb3_scale.trust.zips import DAMAGE, check_size

_NEEDED = ("data", "policy.pth", "actor.optimizer.pth", "critic.optimizer.pth")
"""Files of every checkpoint."""
_ONE_OPTIMIZER = "policy.optimizer.pth"
"""A file of algorithms with one optimiser."""


def read_archive(path: str | pathlib.Path | io.BufferedIOBase) -> bytes:
    """
    Read a checkpoint once, found as Stable-Baselines3 finds it: what is checked is what is loaded.

    :param path: of the zip file
    :return: the file
    :raises FileNotFoundError: if there is none
    :raises Sb3ScaleError: if it is damaged, incomplete or would take far more memory than it says
    """
    check_place("checkpoint", path)
    if isinstance(path, (str, pathlib.Path)):
        path = pathlib.Path(path)
        if not path.exists() and pathlib.Path(f"{path}.zip").exists():
            path = pathlib.Path(f"{path}.zip")
        if path.is_dir():
            raise Sb3ScaleError(f"checkpoint {path} is a folder; allowed: a zip file")
        with open_path(path, "r", suffix="zip") as file:
            content: bytes = file.read()
    else:
        path.seek(0)
        content = path.read()
    with _damage(path), zipfile.ZipFile(io.BytesIO(content)) as archive:
        check_size(archive, len(content))
        wrong = archive.testzip()
        names = archive.namelist()
        if names and min(member.header_offset for member in archive.infolist()) > 0:
            # A file that was cut may end with a whole archive that it holds.
            raise zipfile.BadZipFile("it does not begin where its contents do")
        for name in names if wrong is None else ():
            # PyTorch's files are archives themselves.
            if name.endswith(".pth") and zipfile.is_zipfile(
                inner := io.BytesIO(archive.read(name))
            ):
                with zipfile.ZipFile(inner) as tensors:
                    check_size(tensors, archive.getinfo(name).file_size)
    if wrong is not None:
        raise Sb3ScaleError(f"checkpoint {path} is damaged: bad checksum of '{wrong}'")
    _check_names(path, names)
    return content


def _check_names(path: object, names: Collection[str]) -> None:
    missing = [name for name in _NEEDED if name not in names]
    if missing and _ONE_OPTIMIZER in names:
        raise Sb3ScaleError(
            f"checkpoint {path} has one optimiser for all, as PPO, A2C and DQN save it; allowed: "
            "files of an algorithm with an actor and a critic that have one each"
        )
    if missing:
        raise Sb3ScaleError(f"{path} is no whole checkpoint: it lacks '{missing[0]}'")


@contextmanager
def _damage(path: object) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        reason = str(error) or type(error).__name__
        raise Sb3ScaleError(f"checkpoint {path} is damaged: {reason}") from None
