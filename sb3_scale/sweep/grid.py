"""The file of a sweep: which trainings it asks for."""

import hashlib
import itertools
import json
import math
import re
from collections import Counter
from copy import deepcopy
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import rl_zoo3

from sb3_scale.errors import Sb3ScaleError, check_key, shortened, shown
from sb3_scale.parts import check_type
from sb3_scale.recipes.changes import Settings, together
from sb3_scale.registration import import_packages
from sb3_scale.structures import check_plain
from sb3_scale.sweep.settings import check_names, check_settings, check_train_args
from sb3_scale.zoo import configs, install, plain_settings

EVALUATIONS = 10
"""Per training, where the file does not say how often."""


@dataclass(frozen=True)
class Sweep:
    """
    A file, as its user writes it.

    :param algo: name of the algorithm
    :param env: the task
    :param conf_file: settings to start from, as RL-Zoo's ``--conf-file``; those that RL-Zoo would
        choose by default
    :param settings: changes for all trainings: a key is a setting, or a path into one with dots
    :param grid: axes. A list has values of the setting that the axis is named after; a mapping has
        changes by label. ``algo`` and ``env`` are settings here.
    :param seeds: each cell of the grid is trained with each
    :param eval_freq: decisions between evaluations, a tenth of the training by default
    :param eval_episodes: per evaluation
    :param save_freq: decisions between checkpoints, from which an interrupted training goes on;
        without, it begins again
    :param train_args: further words for RL-Zoo's command
    :param stop: when to end early: ``adastop``, or a mapping with its name and parameters
    :param gym_packages: modules to import before the task is looked up, as RL-Zoo's
        ``--gym-packages``
    """

    algo: str = "sac"
    env: str = ""
    conf_file: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    grid: dict[str, Any] = field(default_factory=dict)
    seeds: list[int] = field(default_factory=lambda: [0])
    eval_freq: int = 0
    eval_episodes: int = 5
    save_freq: int = 0
    train_args: list[str | int | float] = field(default_factory=list)
    stop: str | dict[str, Any] = ""
    gym_packages: list[str] = field(default_factory=list)


RESERVED = (
    "env", "algo", "seed", "seeds", "return", "returns", "mean", "std", "episodes", "env_steps",
    "decisions", "total_gradient_steps", "action_repeat", "minutes", "failed", "commit", "error",
    "folder",
)  # fmt: skip
"""Columns of the results, which no axis with labels of its own may be named after."""

VALUES = ("env", "algo", "action_repeat")
"""Columns of them that have the values of an axis, where it lists such."""

OWN_ARGUMENTS = ("seed", "verbose", "device", "tensorboard_log")
"""Settings that RL-Zoo gives to the algorithm itself."""


@dataclass(frozen=True)
class Training:
    """
    One training of a sweep.

    :param labels: of each axis of the grid, by its name
    :param algo: name of the algorithm
    :param env_id: the task
    :param seed: of the training
    :param settings: of the task, as in a file of RL-Zoo
    :param eval_freq: decisions between evaluations
    :param eval_episodes: per evaluation
    :param train_args: further words for RL-Zoo's command
    :param save_freq: decisions between checkpoints, or 0
    :param own_env: ``module:Class`` of a task that is registered nowhere, else empty
    """

    labels: dict[str, str]
    algo: str
    env_id: str
    seed: int
    settings: Settings
    eval_freq: int
    eval_episodes: int
    train_args: tuple[str, ...]
    save_freq: int
    own_env: str = ""

    @property
    def env(self) -> str:
        """What RL-Zoo's ``--env`` is given."""
        return self.own_env or self.env_id

    @property
    def name(self) -> str:
        """Labels and seed."""
        return ", ".join([*self.labels.values(), f"seed {self.seed}"])

    @property
    def key(self) -> str:
        """
        Its folder: words to read, and a digest of all that decides the outcome, so that a changed
        file trains again what it changes and keeps the rest, whatever the labels are.
        """
        content = {**asdict(self), "labels": None, "env_id": self.env}
        del content["save_freq"], content["own_env"]
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]
        return f"{re.sub(r'[^A-Za-z0-9.]+', '-', self.env_id)}_{self.algo}_seed{self.seed}_{digest}"


class _Variation(NamedTuple):
    """A value of an axis."""

    axis: str
    label: str
    changes: Settings


def read_sweep(path: Path) -> Sweep:
    """
    :param path: of the file
    :return: its content
    :raises Sb3ScaleError: if there is no such file, a key is unknown or a value has the wrong type
    """
    if not path.is_file():
        raise Sb3ScaleError(f"there is no file '{path}'")
    content = configs.read_once(path)
    hints = {one.name: one.type for one in fields(Sweep)}
    for key, value in content.items():
        check_key(f"{path} has no key", key, value, hints)
        check_plain(key, value)
        check_type(str(path), key, value, hints[key])
    return Sweep(**content)


def trainings(sweep: Sweep) -> list[Training]:
    """
    :param sweep: a file
    :return: every combination of the axes of its grid with every seed, each checked
    :raises Sb3ScaleError: if an algorithm, a task, a setting or a part of any of them is wrong
    """
    install()
    import_packages("gym_packages", sweep.gym_packages)
    check_train_args([str(word) for word in sweep.train_args])
    if not sweep.seeds or min(sweep.seeds) < 0 or max(sweep.seeds) >= 2**32:
        what = "whole numbers from 0 to 2**32 - 1" if sweep.seeds else "at least one number"
        raise Sb3ScaleError(f"seeds is {sweep.seeds}; allowed: {what}")
    if sweep.eval_episodes < 1:
        raise Sb3ScaleError(f"eval_episodes is {sweep.eval_episodes}; allowed: at least 1")
    if sweep.save_freq < 0:
        raise Sb3ScaleError(f"save_freq is {sweep.save_freq}; allowed: at least 0")
    axes = [_axis(name, values) for name, values in sweep.grid.items()]
    cells = [_training(sweep, variations) for variations in itertools.product(*axes)]
    found = [replace(cell, seed=seed) for cell in cells for seed in sweep.seeds]
    _refuse_twins(found)
    return found


def _refuse_twins(found: list[Training]) -> None:
    seen: dict[str, Training] = {}
    for training in found:
        plain = replace(training, settings=_with_whole_numbers(training.settings))
        twin = seen.setdefault(plain.key, training)
        if twin is not training:
            raise Sb3ScaleError(
                f"'{twin.name}' and '{training.name}' are one training; allowed: each once"
            )


def _with_whole_numbers(value: Any) -> Any:
    """1 for 1.0, which are one number."""
    if isinstance(value, dict):
        return {key: _with_whole_numbers(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_with_whole_numbers(inner) for inner in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _axis(name: str, values: Any) -> list[_Variation]:
    if isinstance(values, list) and values:
        # The check of the settings says what to write in place of seeds as an axis.
        if name in RESERVED and name not in (*VALUES, "seed"):
            raise Sb3ScaleError(
                f"grid.{name} lists values, and the results have a column {shown(name)} of their "
                "own; allowed: settings by label, under another name"
            )
        return [_Variation(name, _label(value), {name: value}) for value in values]
    if isinstance(values, dict) and values and all(isinstance(v, dict) for v in values.values()):
        if name in RESERVED:
            raise Sb3ScaleError(
                f"grid.{name} has labels, and the results have a column {shown(name)} of their "
                "own; allowed: another name"
            )
        for label, changes in values.items():
            check_type(f"grid.{name}", str(label), changes, dict[str, Any])
        found = [_Variation(name, str(label), changes) for label, changes in values.items()]
        for label, times in Counter(one.label for one in found).items():
            if times > 1:
                raise Sb3ScaleError(
                    f"grid.{shortened(name)} has the label {shown(label)} twice; allowed: once"
                )
        return found
    raise Sb3ScaleError(
        f"grid.{shortened(name)} is {shown(values)}; allowed: a list of values, or settings "
        "by label"
    )


def _label(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _training(sweep: Sweep, variations: tuple[_Variation, ...]) -> Training:
    """One combination, with the first seed."""
    changes = together([sweep.settings, *(one.changes for one in variations)])
    algo, env = changes.pop("algo", sweep.algo), changes.pop("env", sweep.env)
    env_id = check_names(algo, env)
    settings = plain_settings.resolved(
        _task_settings(algo, env_id, sweep.conf_file), changes, algo, env_id
    )
    steps = settings.get("n_timesteps")
    if not isinstance(steps, (int, float)) or not 1 <= steps < math.inf:
        raise Sb3ScaleError(
            f"n_timesteps of '{env_id}' is {shown(steps)}; allowed: at least 1, and finite"
        )
    starts = settings.get("learning_starts", 0)
    if isinstance(starts, int) and starts >= steps:
        raise Sb3ScaleError(
            f"learning_starts is {starts}, and n_timesteps of '{env_id}' is {int(steps)}; allowed: "
            "less"
        )
    for key in OWN_ARGUMENTS:
        if key in settings:
            instead = "seeds" if key == "seed" else "train_args"
            raise Sb3ScaleError(f"'{key}' is no setting of RL-Zoo's files; allowed: {instead}")
    check_settings(algo, env_id, settings)
    eval_freq = sweep.eval_freq or max(1, int(steps) // EVALUATIONS)
    if not 0 < eval_freq <= int(steps):
        raise Sb3ScaleError(f"eval_freq is {eval_freq}; allowed: 1 to {int(steps)}")
    packages = ("--gym-packages", *sweep.gym_packages) if sweep.gym_packages else ()
    return Training(
        {one.axis: one.label for one in variations},
        algo,
        env_id,
        sweep.seeds[0],
        settings,
        eval_freq,
        sweep.eval_episodes,
        (*map(str, sweep.train_args), *packages),
        # Only a ScalePolicy's run can count on.
        sweep.save_freq if configs.uses_scale_policy(settings) else 0,
        "" if env == env_id else env,
    )


def _task_settings(algo: str, env_id: str, conf_file: str) -> Settings:
    if conf_file:
        path = configs.by_name(algo, conf_file) or Path(conf_file)
    else:
        path = Path(rl_zoo3.__file__).parent / "hyperparams" / f"{algo}.yml"
        path = configs.choose(algo, env_id, path)
    if not path.is_file():
        raise Sb3ScaleError(f"there are no settings for --algo {algo}: '{path}' is missing")
    content = configs.read(path)
    for key in (env_id, "default"):
        if key in content:
            if not isinstance(content[key], dict):
                raise Sb3ScaleError(
                    f"{path} has {shown(content[key])} for '{key}'; allowed: settings by name"
                )
            return dict(plain_settings.named(deepcopy(content[key]), path, env_id, None))
    raise Sb3ScaleError(f"{path} has no settings for '{env_id}', and no 'default'")
