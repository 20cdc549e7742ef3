"""Whether the trainings of a label are seeds of one configuration."""

from collections.abc import Mapping, Sequence
from typing import Any

from sb3_scale.compare.evaluations import Training
from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.runs import Run

LEFT_OUT = (
    "seed", "n_timesteps", "verbose", "device", "tensorboard_log", "monitor_kwargs",
    "stats_window_size", "compile", "capture",
)  # fmt: skip
"""Settings that decide how long a training is, where it runs and what is written of it."""

CALLBACK = "callback"


def settings_of(run: Run) -> dict[str, Any]:
    """
    :param run: what RL-Zoo wrote
    :return: what decides its training beside the seed: algorithm, settings, ``env_kwargs`` and the
        agent that it began with
    """
    begins = None if run.counts_on or run.trained_agent is None else str(run.trained_agent)
    found = {
        "algo": run.algo,
        **run.settings,
        "env_kwargs": run.env_kwargs,
        "trained_agent": begins,
    }
    return {key: value for key, value in found.items() if key not in LEFT_OUT}


def same_settings(one: Training, other: Training) -> bool:
    """
    :param one: a training
    :param other: another
    :return: whether what decides them beside their seeds is the same
    """
    return _difference(one.settings, other.settings, "") is None


def check_alike(trainings: Sequence[Training]) -> list[str]:
    """
    :param trainings: to compare
    :return: a sentence for each label and task whose trainings differ in a setting, where somebody
        gave the label
    :raises Sb3ScaleError: if they differ and nobody gave it
    """
    groups: dict[tuple[str, str], list[Training]] = {}
    for one in trainings:
        if one.settings is not None:
            groups.setdefault((one.label, one.task), []).append(one)
    notes = []
    for (label, task), group in groups.items():
        told = next(filter(None, (_told(group[0], other) for other in group[1:])), "")
        if told and not all(one.named for one in group):
            raise Sb3ScaleError(
                f"{told}, and both are '{label}' on {task}; allowed: one label for trainings that "
                "differ in seeds; LABEL=PATH names them"
            )
        if told:
            notes.append(f"'{label}' on {task} has trainings of different settings: {told}.")
    return notes


def _told(one: Training, other: Training) -> str:
    """The first setting that differs, in words; empty if there is none."""
    found = _difference(one.settings, other.settings, "")
    if found is None:
        return ""
    path, ours, theirs = found
    return (
        f"{path} is {_value(ours)} in '{one.origin.source}' and {_value(theirs)} in "
        f"'{other.origin.source}'"
    )


def _value(value: Any) -> str:
    return "not set" if value is None else shown(value, 100)


def _difference(ours: Any, theirs: Any, path: str) -> tuple[str, Any, Any] | None:
    if ours == theirs:
        return None
    if path == CALLBACK:
        ours, theirs = _acting(ours), _acting(theirs)
        return None if ours == theirs else (path, ours, theirs)
    if not (isinstance(ours, Mapping) and isinstance(theirs, Mapping)):
        return path, ours, theirs
    pairs = (
        _difference(ours.get(key), theirs.get(key), f"{path}.{key}" if path else str(key))
        for key in dict.fromkeys([*ours, *theirs])
    )
    return next(filter(None, pairs), None)


def _acting(callbacks: Any) -> list[Any]:
    """Those that may change the training; parts of ours that only log what they see do not."""
    from sb3_scale.callbacks import CSVLogger
    from sb3_scale.diagnostics.diagnostic import Diagnostic
    from sb3_scale.parts import load_target
    from sb3_scale.plugins import manager

    entries = callbacks if isinstance(callbacks, list) else [callbacks] if callbacks else []
    parts = {spec.name: spec for _, spec in manager().specs(CALLBACK)}
    acting = []
    for entry in entries:
        name = entry.get("name", next(iter(entry), None)) if isinstance(entry, Mapping) else entry
        spec = parts.get(name) if isinstance(name, str) else None
        part = load_target(spec) if spec else None
        if not (isinstance(part, type) and issubclass(part, (CSVLogger, Diagnostic))):
            acting.append(entry)
    return acting
