"""
Replay buffers in files: a zip of ``.npy`` arrays, each with a checksum, and a description in JSON.

Nothing of such a file is run when it is read here. Pickles, of earlier versions and of buffers that
hold objects of a user, are read too; a pickle can run commands.

The zip stands inside a pickle that makes the same buffer of it, so that programs which unpickle
replay buffers themselves, such as ``load_from_pkl`` of Stable-Baselines3, read these files too.
"""

import io
import json
import pickle
import struct
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import quote

import numpy as np
import torch as th
from gymnasium import spaces
from stable_baselines3.common.buffers import ReplayBuffer

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.parts import resolve
from sb3_scale.plugins import manager
from sb3_scale.replay.contents import STOCK, Described, contents_of
from sb3_scale.replay.memory import check_file
from sb3_scale.replay.spaces import fingerprint, same_number, same_spaces
from sb3_scale.trust.zips import DAMAGE

VERSION = 1
_ABOUT = "about.json"
_CHUNK = 1 << 18
"""Bytes at once: they stay in the processor's cache between checksum and copy."""
_LONGEST_ABOUT = 1 << 22
"""Bytes of a description at most; it has one line per array."""

_CALL = b"\x80\x05csb3_scale.replay.files\nrestored\n"
"""How the pickle begins: protocol 5, and the function that it calls."""
HEAD = len(_CALL)
"""Bytes at the beginning of a file that tell what it is."""
_INTEGER, _BYTES, _END = b"J", b"\x8e", b"\x87R."
"""Of a pickle: four bytes, a text with its length in eight, and the call with three arguments."""

# The last ones where the description is whole, and describes no replay buffer.
_DAMAGE = (*DAMAGE, OverflowError, LookupError, TypeError, AttributeError, AssertionError)
"""What reading raises where bytes are wrong, depending on where they are."""


def is_array_file(head: bytes) -> bool:
    """
    :param head: the first :data:`HEAD` bytes of a file, or all if they are fewer
    :return: whether it is one of arrays, which runs nothing when it is read
    """
    return head.startswith((b"PK\x03\x04", _CALL))


def class_name(buffer: Any) -> str | None:
    """
    :param buffer: a replay buffer
    :return: by which a file names its class: a part's, or one of Stable-Baselines3; else nothing
    """
    kind = type(buffer)
    if STOCK.get(kind.__name__) is kind:
        return f"stable_baselines3:{kind.__name__}"
    for plugin in manager().plugins:
        for spec in plugin.specs:
            module, _, attribute = spec.target.partition(":")
            if spec.kind == "replay-buffer" and (
                getattr(sys.modules.get(module), attribute, None) is kind
            ):
                return f"part:{spec.name}"
    return None


def write(buffer: Any, file: IO[bytes]) -> None:
    """
    Save a replay buffer, as arrays if it can be. No second copy of its rows is made in memory.

    :param buffer: a replay buffer
    :param file: open for writing
    """
    contents, name = contents_of(buffer), class_name(buffer)
    if contents is None or name is None:
        pickle.dump(buffer, file, protocol=pickle.HIGHEST_PROTOCOL)
        return
    arrays = contents.arrays()
    about = {
        "version": VERSION,
        "class": name,
        "n_envs": buffer.n_envs,
        "buffer_size": buffer.buffer_size,
        "observation_space": fingerprint(buffer.observation_space),
        "action_space": fingerprint(buffer.action_space),
        "arguments": contents.arguments(),
        "numbers": contents.numbers(),
        "arrays": {key: [_type(array).str, list(array.shape)] for key, array in arrays.items()},
    }
    # What the length of goes before it needs a file that can be sought in.
    as_pickle = file.seekable()
    start = _begin(buffer, file) if as_pickle else 0
    with zipfile.ZipFile(file, "w") as archive:
        if as_pickle:
            archive.comment = _END
        archive.writestr(_ABOUT, json.dumps(about, default=_plain, indent=1))
        for key, array in arrays.items():
            with archive.open(_member(key), "w", force_zip64=True) as member:
                _write_array(array, member)
    if as_pickle:
        end = file.tell()
        file.seek(start - 8)
        file.write(struct.pack("<Q", end - len(_END) - start))
        file.seek(end)


def _begin(buffer: Any, file: IO[bytes]) -> int:
    """Write the pickle up to the zip, whose length is still to come; where the zip begins."""
    pickled = pickle.dumps((buffer.observation_space, buffer.action_space))
    begun = file.tell()
    rest = _BYTES + struct.pack("<Q", len(pickled)) + pickled + _BYTES + bytes(8)
    start = begun + len(_CALL) + 5 + len(rest)
    file.write(_CALL + _INTEGER + struct.pack("<i", start) + rest)
    return start


def restored(start: int, pickled: bytes, content: bytes) -> Any:
    """
    What the pickle around a zip of arrays calls.

    :param start: where the zip began in its file
    :param pickled: spaces of observations and actions
    :param content: the zip, without its end
    :return: the buffer, on the host
    :raises Sb3ScaleError: if the file is damaged, or needs more memory than is free
    """
    observation_space, action_space = pickle.loads(pickled)
    # Places in a zip count from the start of its file.
    file = io.BytesIO(bytes(start) + content + _END)
    with _told("the replay buffer is damaged"), zipfile.ZipFile(file) as archive:
        n_envs = _read_about(archive)["n_envs"]
    return read(file, "of a pickle", observation_space, action_space, n_envs)


def read(
    file: IO[bytes],
    name: str,
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    n_envs: int,
) -> Any:
    """
    :param file: of arrays, open for reading and seekable
    :param name: of the file, for messages
    :param observation_space: of the algorithm
    :param action_space: of the algorithm
    :param n_envs: of the algorithm
    :return: the buffer, on the host
    :raises Sb3ScaleError: if the file is damaged, of another task, or needs more memory than is
        free; nothing is read then
    """
    with _told(f"replay buffer '{name}' is damaged"), zipfile.ZipFile(file) as archive:
        about = _read_about(archive)
        for what, space in (
            ("observation_space", observation_space),
            ("action_space", action_space),
        ):
            same_spaces(name, what, about[what], fingerprint(space))
        same_number(name, about["n_envs"], n_envs)
        described = _check_sizes(archive, about)
        kind = _class(name, about["class"])
        buffer = kind(
            about["buffer_size"] * about["n_envs"],
            observation_space,
            action_space,
            device="cpu",
            n_envs=about["n_envs"],
            **_needed(kind),
            **about["arguments"],
        )
        contents = contents_of(buffer)
        assert contents is not None
        for key, target in contents.room(described).items():
            if (target.dtype, target.shape) != described[key]:
                raise ValueError(f"array '{key}' is not {target.dtype} of shape {target.shape}")
            with archive.open(_member(key)) as member:
                _read_array(target, member)
        contents.take(about["numbers"])
    return buffer


def unpickle(file: IO[bytes], name: str) -> Any:
    """
    :param file: open for reading, where a pickle begins; reading it can run commands
    :param name: of the file, for messages
    :return: the buffer
    :raises Sb3ScaleError: if it is damaged or something else
    """
    # The unpickler raises anything, and so may the classes that it calls.
    try:
        buffer = pickle.load(file)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise Sb3ScaleError(f"replay buffer '{name}' cannot be read: {reason:.200}") from error
    if not isinstance(buffer, ReplayBuffer):
        raise Sb3ScaleError(
            f"'{name}' holds a {type(buffer).__name__}; allowed: a replay buffer, derived from "
            "stable_baselines3.common.buffers.ReplayBuffer"
        )
    return buffer


def _needed(kind: type[ReplayBuffer]) -> dict[str, Any]:
    """What the algorithm gives the buffer later."""
    return {"env": None} if kind is STOCK["HerReplayBuffer"] else {}


def _read_about(archive: zipfile.ZipFile) -> dict[str, Any]:
    for member in archive.infolist():
        if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size:
            raise ValueError(f"'{member.filename}' is compressed")
    if archive.infolist()[0].header_offset and archive.comment != _END:
        raise ValueError("its end is missing")
    if archive.getinfo(_ABOUT).file_size > _LONGEST_ABOUT:
        raise ValueError(f"its {_ABOUT} is too long")
    about: dict[str, Any] = json.loads(archive.read(_ABOUT))
    if about["version"] != VERSION:
        raise Sb3ScaleError(
            f"the replay buffer is of version {about['version']!r:.20}; allowed: {VERSION}"
        )
    for key in ("n_envs", "buffer_size"):
        if type(about[key]) is not int or about[key] < 1:
            raise ValueError(f"{key} is {about[key]!r:.20}")
    members = {_ABOUT, *map(_member, about["arrays"])}
    if members != set(archive.namelist()):
        raise ValueError("arrays are missing")
    return about


def _check_sizes(archive: zipfile.ZipFile, about: dict[str, Any]) -> Described:
    """What the description says must be in the file, and fit into memory, before any is taken."""
    described, total, row = {}, 0, 0
    for key, (kind, shape) in about["arrays"].items():
        dtype = np.dtype(kind)
        if dtype.kind not in "biuf" or any(type(n) is not int or n < 0 for n in shape):
            raise ValueError(f"array '{key}' is {kind!r:.20} of shape {shape!r:.50}")
        size = dtype.itemsize * int(np.prod(shape, dtype=object))
        stored = archive.getinfo(_member(key)).file_size
        if not size < stored <= size + np.lib.format.BUFFER_SIZE:
            raise ValueError(f"array '{key}' has {stored} bytes, and {size} are described")
        described[key] = dtype, tuple(shape)
        total += size
        row += size // shape[0] if shape and shape[0] else 0
    check_file("the replay buffer's file", total)
    if about["class"] == "stable_baselines3:HerReplayBuffer":
        # It makes objects for each row at once.
        check_file("the replay buffer", about["buffer_size"] * about["n_envs"] * (row + 72))
    return described


def _class(name: str, found: str) -> Any:
    where, _, attribute = found.partition(":")
    if where == "part":
        return resolve("replay-buffer", attribute)[0]
    if where != "stable_baselines3" or attribute not in STOCK:
        raise Sb3ScaleError(
            f"replay buffer '{name}' is a {found:.80}; allowed: parts that are installed, and "
            f"{', '.join(STOCK)} of stable_baselines3"
        )
    return STOCK[attribute]


def _write_array(array: np.ndarray | th.Tensor, member: IO[bytes]) -> None:
    header = {
        "descr": _type(array).str,
        "fortran_order": False,
        "shape": tuple(array.shape),
    }
    np.lib.format.write_array_header_1_0(member, header)
    if not len(array):
        return
    rows = max(_CHUNK // max(array[:1].nbytes, 1), 1)
    for start in range(0, len(array), rows):
        chunk = array[start : start + rows]
        if isinstance(chunk, th.Tensor):
            chunk = chunk.cpu().numpy()
        member.write(np.ascontiguousarray(chunk).reshape(-1).view(np.uint8).data)


def _read_array(target: np.ndarray, member: IO[bytes]) -> None:
    version = np.lib.format.read_magic(member)
    if version != (1, 0):
        raise ValueError(f"an array is of version {version}")
    shape, fortran, kind = np.lib.format.read_array_header_1_0(member)
    if (shape, fortran, kind) != (target.shape, False, target.dtype):
        raise ValueError(f"an array is {kind} of shape {shape}, and another is described")
    flat = target.reshape(-1).view(np.uint8).data
    for start in range(0, len(flat), _CHUNK):
        chunk = member.read(min(_CHUNK, len(flat) - start))
        flat[start : start + len(chunk)] = chunk
    # The checksum is compared at the end of the member.
    if member.read(1):
        raise ValueError("an array is longer than described")


def _type(array: np.ndarray | th.Tensor) -> np.dtype[Any]:
    return np.dtype(np.uint8) if isinstance(array, th.Tensor) else array.dtype


def _member(key: str) -> str:
    return f"{quote(key)}.npy"


def _plain(value: Any) -> Any:
    """NumPy's numbers are plain ones in JSON."""
    return value.item()


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except Sb3ScaleError:
        raise
    except MemoryError:
        raise Sb3ScaleError(f"{what}: it asks for more memory than there is") from None
    except _DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise Sb3ScaleError(f"{what}: {reason:.200}") from error
