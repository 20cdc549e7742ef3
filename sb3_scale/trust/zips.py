"""Zip files that say how large they become."""

import struct
import zipfile
import zlib

EXPANSION = 8
"""Bytes that a byte of a file may become; who saves checkpoints and evaluations packs nothing."""
SPARE = 2**24
"""Bytes that any file may become."""

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)
"""What ``zipfile`` raises when bytes are wrong, depending on where they are."""


def check_size(archive: zipfile.ZipFile, size: int) -> None:
    """
    :param archive: to be read
    :param size: of its file, bytes
    :raises zipfile.BadZipFile: if it would become far more
    """
    promised = sum(member.file_size for member in archive.infolist())
    if promised > EXPANSION * size + SPARE:
        raise zipfile.BadZipFile(f"{size} bytes would become {promised}")
