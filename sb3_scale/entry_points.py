"""The entry points of the installed plugins."""

import re
from collections.abc import Iterable
from importlib import metadata

from sb3_scale.guard import told
from sb3_scale.hookspecs import PROJECT
from sb3_scale.notices import notice


def normalized(name: str) -> str:
    """
    :param name: of a distribution or an entry point, in any spelling that pip takes for the same
    :return: in lower case, with one hyphen for each run of hyphens, underscores and dots
    """
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def entry_points() -> Iterable[tuple[str, str, metadata.EntryPoint]]:
    """
    :return: distribution, version and entry point of each plugin, core first, then by distribution;
        each distribution once
    """
    seen: dict[str, metadata.Distribution] = {}
    for distribution in metadata.distributions():
        try:
            name = distribution.metadata["Name"]
        except Exception as error:
            notice(f"a distribution is left out, whose metadata cannot be read: {told(error)}")
            continue
        if name:
            seen.setdefault(normalized(name), distribution)
    for name in sorted(seen, key=lambda name: (name != "sb3-scale", name)):
        for point in _points(seen[name]):
            if point.group == PROJECT:
                yield name, seen[name].version, point


def _points(distribution: metadata.Distribution) -> Iterable[metadata.EntryPoint]:
    # The file is a stranger's, and the standard library's reader stops at what is no entry point.
    try:
        return distribution.entry_points
    except Exception as error:
        name = distribution.metadata["Name"]
        notice(f"the entry points of {name} cannot be read: {told(error)}")
        return ()
