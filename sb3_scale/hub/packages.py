"""The packages that a model needs, and which of them are missing."""

from collections.abc import Iterable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import gymnasium

from sb3_scale.plugins import manager
from sb3_scale.runs import read_plain

ALWAYS = ("sb3-scale", "stable-baselines3", "rl_zoo3", "gymnasium", "torch", "numpy")


def provider_of(algo: str) -> str:
    """
    :param algo: name of an algorithm
    :return: the distribution of the plugin that brings it, or RL-Zoo's
    """
    offers = (each for each, spec in manager().specs("algorithm") if spec.name == algo)
    return next((plugin.distribution for plugin in offers), "rl_zoo3")


def needed(algo: str, env_id: str, parts: Iterable[str]) -> dict[str, str]:
    """
    :param algo: name of an algorithm
    :param env_id: an environment that is installed
    :param parts: distributions of the parts of its policy
    :return: versions of the packages that make and play such a model, by name
    """
    names = [*ALWAYS, provider_of(algo), *_providers_of_env(env_id), *sorted(set(parts))]
    return {name: version for name in names if (version := _version(name))}


def missing(packages: Mapping[str, Any]) -> list[str]:
    """
    :param packages: versions by name
    :return: those that are not installed here in any version, with the version
    """
    return [f"{name} {version}" for name, version in packages.items() if not _version(name)]


def read(path: Path | None) -> tuple[str, dict[str, str]]:
    """
    :param path: of what :func:`write` makes of a model, nothing where its uploader had no such file
    :return: the distribution of its algorithm, and versions by name; empty where they are no texts
    :raises Sb3ScaleError: if it is no YAML
    """
    found = {} if path is None else read_plain(path)
    versions = found.get("packages")
    provider, versions = found.get("algorithm"), versions if isinstance(versions, dict) else {}
    texts = {
        name: version
        for name, version in versions.items()
        if isinstance(name, str) and isinstance(version, str)
    }
    return (provider if isinstance(provider, str) else ""), texts


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    # A plugin of this very process has none, and a stranger's file has any text.
    except (metadata.PackageNotFoundError, ValueError):
        return ""


def _providers_of_env(env_id: str) -> list[str]:
    own = [each.distribution for each, spec in manager().specs("env") if spec.name == env_id]
    point = gymnasium.registry[env_id].entry_point
    if own or not isinstance(point, str):
        return own
    # Most distributions have the name of their module; to look in all of them takes seconds.
    return [point.partition(":")[0].partition(".")[0]]
