"""The file of a sweep: which trainings it asks for."""

import hashlib
import json
import math
import re
from copy import deepcopy
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import rl_zoo3
from rl_zoo3.exp_manager import ExperimentManager

from sb3_scale.errors import Sb3ScaleError, check_key, shown
from sb3_scale.quantities import whole_number
from sb3_scale.recipes.changes import Settings, together
from sb3_scale.registration import import_packages
from sb3_scale.structures import check_plain
from sb3_scale.sweep.axes import Variation, cells
from sb3_scale.sweep.settings import check_names, check_settings
from sb3_scale.sweep.train_args import check_train_args
from sb3_scale.value_types import check_type
from sb3_scale.zoo import configs, install, plain_settings, settings_files

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
    :param stop: when to end early: ``adastop``, or a mapping with its name and parameters; all
        trainings are made without
    :param gym_packages: modules to import before the task is looked up, as RL-Zoo's
        ``--gym-packages``
    :param file: its name, which is no key of it
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
    stop: str | dict[str, Any] | None = None
    gym_packages: list[str] = field(default_factory=list)
    file: str = "the sweep"


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


def read_sweep(path: Path) -> Sweep:
    """
    :param path: of the file
    :return: its content
    :raises Sb3ScaleError: if there is no such file, a key is unknown or a value has the wrong type
    """
    if not path.is_file():
        raise Sb3ScaleError(f"there is no file '{path}'")
    content = configs.read_once(path)
    hints: dict[str, Any] = {one.name: one.type for one in fields(Sweep) if one.name != "file"}
    # Nothing stands for a key that is not there.
    hints["stop"] = str | dict[str, Any]
    for key, value in content.items():
        check_key(f"{path} has no key", key, value, hints)
        check_plain(key, value)
        check_type(str(path), key, value, hints[key])
    return Sweep(**content, file=str(path))


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
    asked = [_training(sweep, variations) for variations in cells(sweep.grid)]
    found = [replace(cell, seed=seed) for cell in asked for seed in sweep.seeds]
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
    return whole_number(value)


def _training(sweep: Sweep, variations: tuple[Variation, ...]) -> Training:
    """One combination, with the first seed."""
    changes = together([sweep.settings, *(one.changes for one in variations)])
    algo, env = changes.pop("algo", sweep.algo), changes.pop("env", sweep.env)
    if env == "":
        labels = ", ".join(one.label for one in variations)
        raise Sb3ScaleError(
            f"{sweep.file} lacks the key env"
            + (f", and {shown(labels)} brings none" if variations else "")
            + "; allowed: the id of a task, such as Pendulum-v1"
        )
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
    if not settings_files.is_yaml(str(path)):
        raise Sb3ScaleError(f"conf_file is {shown(str(path))}; allowed in a sweep: .yml, .yaml")
    task = settings_files.task(str(path), env_id, ExperimentManager.is_atari(env_id))
    return dict(plain_settings.named(deepcopy(task), path))
