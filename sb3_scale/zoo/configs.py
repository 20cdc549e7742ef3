"""Finds and checks the settings of a task."""

import inspect
import warnings
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium

from sb3_scale.errors import Sb3ScaleError, check_key, shown
from sb3_scale.parts import kinds_of, settings_path
from sb3_scale.plugins import CORE, Plugin, is_of_this_project, manager
from sb3_scale.policies import ScalePolicy, check_policy_kwargs
from sb3_scale.recipes import files
from sb3_scale.recipes.changes import EVALUATED
from sb3_scale.specs import ZooConfig
from sb3_scale.structures import UniqueLoader, read_yaml
from sb3_scale.value_types import annotations, check_type
from sb3_scale.zoo import backends, checks, notation

ZOO_KEYS = {
    "callback",
    "env_kwargs",
    "env_wrapper",
    "frame_stack",
    "monitor_kwargs",
    "n_envs",
    "n_timesteps",
    "noise_std",
    "noise_type",
    "normalize",
    "policy",
    "vec_env_wrapper",
}
"""Keys of a task that RL-Zoo uses itself."""


def offered(algo: str) -> Iterator[tuple[Plugin, ZooConfig, Path, dict[str, Any]]]:
    """
    :param algo: name of an algorithm
    :return: the plugins' files of settings that are read without being asked for, the core's first:
        the plugin, the part, its file and its tasks; a file that cannot be read is left out with a
        warning
    """
    for plugin, spec in sorted(
        manager().specs("zoo-config"), key=lambda item: item[0].name != CORE
    ):
        if isinstance(spec, ZooConfig) and spec.algo == algo:
            # A plugin that forgot to pack its settings must not stop tasks of others.
            try:
                path = settings_path(spec)
                yield plugin, spec, path, read(path)
            except Sb3ScaleError as error:
                warnings.warn(f"plugin {plugin.label}: {error}", stacklevel=2)


def by_name(algo: str, name: str) -> Path | None:
    """
    :param algo: name of an algorithm
    :param name: what the user gave as ``--conf-file``
    :return: the file of the recipe, or of the settings, that a plugin offers under this name;
        nothing if it is a path
    :raises Sb3ScaleError: if the name is that of another algorithm's file, a misspelled one, of
        a file that is missing, or of both a recipe and other settings
    """
    if {"/", "."} & set(name) or Path(name).is_file():
        return None
    kinds = {"zoo-config", "recipe"} & set(kinds_of(name))
    # The Python module that RL-Zoo allows too, which a folder in the present one is as well.
    if not kinds and (Path(name).exists() or find_spec(name)):
        return None
    if len(kinds) == 2:
        offers = [f"a {kind} of {manager().find(kind, name)[0].label}" for kind in sorted(kinds)]
        raise Sb3ScaleError(
            f"--conf-file {name} is {' and '.join(offers)}; allowed: the path of the file, or one "
            "of them blocked by SB3_SCALE_DISABLE_PLUGINS"
        )
    if "zoo-config" not in kinds:
        return files.path_of(name, algo)
    _, spec = manager().find("zoo-config", name)
    assert isinstance(spec, ZooConfig)
    if spec.algo != algo:
        raise Sb3ScaleError(
            f"the settings '{name}' are for --algo {spec.algo}, and --algo is '{algo}'"
        )
    return settings_path(spec)


def choose(algo: str, env_id: str, zoo_file: Path) -> Path:
    """
    Choose the file of settings when the user gives none.

    What no name of ours asks for keeps RL-Zoo's file: an algorithm and a task that are not a
    plugin's train as if nothing of ours were installed.

    :param algo: name of the algorithm
    :param env_id: the task
    :param zoo_file: RL-Zoo's own file, which may not exist
    :return: RL-Zoo's file if it names the task or the task is no plugin's, else ours that names it,
        else ours with a ``default``
    :raises Sb3ScaleError: if several name it, and not all are this project's
    """
    if zoo_file.exists() and (not is_of_a_plugin(env_id) or env_id in read(zoo_file)):
        return zoo_file
    ours = list(offered(algo))
    naming = [each for each in ours if env_id in each[3]]
    if len(naming) > 1 and not all(is_of_this_project(*each[:2]) for each in naming):
        offers = [f"'{spec.name}' of {plugin.label}" for plugin, spec, *_ in naming]
        raise Sb3ScaleError(
            f"several plugins have settings of '{env_id}' for --algo {algo}: {', '.join(offers)}; "
            "allowed: one of them by --conf-file, or the others blocked by "
            "SB3_SCALE_DISABLE_PLUGINS"
        )
    for _, _, path, _ in naming or [each for each in ours if "default" in each[3]]:
        return path
    return zoo_file


def is_of_a_plugin(env_id: str) -> bool:
    """
    :param env_id: a task
    :return: whether a plugin brings it, and no other package has registered the id first
    """
    registered = gymnasium.registry.get(env_id)
    targets = [spec.target for _, spec in manager().specs("env") if spec.name == env_id]
    return bool(targets) and (registered is None or registered.entry_point in targets)


def read(path: Path) -> dict[str, Any]:
    """
    :param path: of a YAML file
    :return: settings per task
    :raises Sb3ScaleError: if it cannot be read, is not YAML, or not a mapping of tasks
    """
    return _mapping(path, read_yaml(path))


def read_once(path: Path) -> dict[str, Any]:
    """
    :param path: of a YAML file that is ours alone
    :return: its content
    :raises Sb3ScaleError: as :func:`read`, and if a key is there twice
    """
    return _mapping(path, read_yaml(path, UniqueLoader))


def _mapping(path: Path, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise Sb3ScaleError(f"{path} is {shown(content)}; allowed: a mapping, KEY: VALUE")
    return content


def uses_scale_policy(hyperparams: Mapping[str, Any]) -> bool:
    """
    :param hyperparams: settings of a task
    :return: whether its policy is made of our parts, by whatever name; a class that cannot be
        imported is not
    """
    policy = hyperparams.get("policy")
    if isinstance(policy, str) and "." in policy:
        try:
            policy = notation.load("policy", policy)
        except Sb3ScaleError:
            return False
    return policy == "ScalePolicy" or (isinstance(policy, type) and issubclass(policy, ScalePolicy))


def check(algo: str, algorithm: type, hyperparams: Mapping[str, Any]) -> None:
    """
    Check the settings of a task that uses ScalePolicy, before RL-Zoo makes anything.

    :param algo: name of the algorithm
    :param algorithm: its class
    :param hyperparams: settings of the task
    :raises Sb3ScaleError: if a key is unknown or a value has the wrong type
    """
    checks.check_given_by_zoo(hyperparams)
    backends.check(hyperparams)
    hints = annotations(algorithm)
    outside = ZOO_KEYS | {backends.KEY}
    known = set(inspect.signature(algorithm).parameters) - {"_init_setup_model"}
    known -= checks.GIVEN_BY_ZOO.keys()
    for key, value in hyperparams.items():
        check_key(f"{algo} has no setting", key, value, known | outside)
        if key in hints and key not in outside:
            _check_type(algo, key, value, hints[key])
    checks.check_values(hyperparams)
    policy_kwargs = hyperparams.get("policy_kwargs") or {}
    # A sweep leaves a string to RL-Zoo, which evaluates it, and then the policy checks it.
    if isinstance(policy_kwargs, Mapping):
        check_policy_kwargs(policy_kwargs)


def _check_type(algo: str, key: str, value: Any, hint: Any) -> None:
    if isinstance(value, str) and (key in EVALUATED or value.startswith("lin_")):
        return
    if key == "gradient_steps" and isinstance(value, float):
        # The algorithm's own check says what to write instead of a fraction.
        return
    if key == "train_freq" and isinstance(value, list):
        value = tuple(value)
    check_type(algo, key, value, hint)
