"""Folders below a folder, also those that symbolic links lead to."""

import os
from collections.abc import Iterator
from pathlib import Path


def below(folder: Path) -> Iterator[tuple[Path, list[str]]]:
    """
    :param folder: to search
    :return: it and each folder below it, and the names of their files; a folder that several links
        lead to comes once, so that links in a circle end
    """
    seen = set()
    for path, folders, files in os.walk(folder, followlinks=True):
        real = os.path.realpath(path)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders.sort()
        yield Path(path), files
