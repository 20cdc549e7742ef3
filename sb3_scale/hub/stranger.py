"""Files of a stranger's run, written anew as data: who reads them later runs nothing of them."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any
from zipfile import ZipFile

import yaml

from sb3_scale.algorithms import ScaleAlgorithm
from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.runs import EVALUATIONS, read_plain
from sb3_scale.trust.commands import TRUST, for_a_command
from sb3_scale.trust.files import read_vec_normalize
from sb3_scale.trust.zips import DAMAGE, check_size

_CODE = ("env_wrapper", "vec_env_wrapper")
"""Settings by which RL-Zoo imports and calls any name."""


@contextmanager
def _for_a_command(source: Path) -> Iterator[None]:
    """Sentences of the command, with the name of the file in place of its path."""
    try:
        with for_a_command():
            yield
    except Sb3ScaleError as error:
        raise Sb3ScaleError(str(error).replace(str(source), source.name)) from None


def write_model(algorithm: Any, source: Path, target: Path) -> None:
    """
    :param algorithm: its class
    :param source: of the stranger
    :param target: where to write what the model is, without its pickles
    :raises Sb3ScaleError: if the model needs trust, is damaged, or lacks a package here
    """
    if not issubclass(algorithm, ScaleAlgorithm):
        raise Sb3ScaleError(f"a model of {algorithm.__name__} has to be unpickled; {TRUST}")
    with _for_a_command(source):
        algorithm.load(source, device="cpu", trust=False).save(target)


def write_statistics(source: Path, target: Path) -> None:
    """
    :param source: of the stranger's ``VecNormalize``
    :param target: where to write it
    :raises Sb3ScaleError: if it is damaged, or something else
    """
    with _for_a_command(source):
        found = read_vec_normalize(source)
    # Without environments it has none of the attributes that its pickle leaves out.
    vars(found).update(class_attributes={}, returns=None)
    found.save(str(target))


def write_settings(source: Path, target: Path) -> None:
    """
    :param source: of a stranger's YAML, with objects of Python in RL-Zoo's way
    :param target: where to write it as plain data
    :raises Sb3ScaleError: if RL-Zoo would run a setting when it plays
    """
    settings = read_plain(source)
    for key in _CODE:
        if settings.get(key) is not None:
            raise Sb3ScaleError(
                f"{source.name} has {key}: {shown(settings[key])}, which RL-Zoo imports and calls; "
                f"{TRUST}"
            )
    normalize = settings.get("normalize")
    if isinstance(normalize, str):
        settings["normalize"] = _mapping(source.name, normalize)
    target.write_text(yaml.safe_dump(settings, sort_keys=False))


def _mapping(name: str, text: str) -> dict[str, Any]:
    """RL-Zoo evaluates this text as Python."""
    try:
        found = ast.literal_eval(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Sb3ScaleError(
            f"{name} has normalize: {shown(text)}, which RL-Zoo runs as Python; {TRUST}"
        )
    return found


def write_metrics(source: Path, folder: Path) -> None:
    """
    :param source: a zip file with episodes and evaluations
    :param folder: of the run, which gets these and nothing else
    :raises Sb3ScaleError: if it is damaged
    """
    try:
        with ZipFile(source) as archive:
            check_size(archive, source.stat().st_size)
            for name in _metrics(archive):
                (folder / name).write_bytes(archive.read(name))
    except DAMAGE as error:
        raise Sb3ScaleError(f"'{source.name}' cannot be read: {error}") from None


def _metrics(archive: ZipFile) -> Iterator[str]:
    for name in archive.namelist():
        # No folder: the settings lie in one.
        alone = PurePosixPath(name).name == name and "\\" not in name
        if alone and (name == EVALUATIONS or name.endswith(".csv")):
            yield name
