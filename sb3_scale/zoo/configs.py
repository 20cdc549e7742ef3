"""Finds and checks the settings of a task."""

import inspect
import warnings
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gymnasium
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale.errors import Sb3ScaleError, check_key, shown, suggestion
from sb3_scale.parts import annotations, check_type, settings_path
from sb3_scale.plugins import CORE, manager
from sb3_scale.policies import check_policy_kwargs
from sb3_scale.specs import ZooConfig
from sb3_scale.structures import UniqueLoader, read_yaml
from sb3_scale.zoo import backends

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


def offered(algo: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """
    :param algo: name of an algorithm
    :return: the plugins' files of settings that are read without being asked for, the core's first,
        and their tasks; a file that cannot be read is left out with a warning
    """
    for plugin, spec in sorted(
        manager().specs("zoo-config"), key=lambda item: item[0].name != CORE
    ):
        if isinstance(spec, ZooConfig) and spec.algo == algo and not spec.on_request:
            # A plugin that forgot to pack its settings must not stop tasks of others.
            try:
                path = settings_path(spec)
                yield path, read(path)
            except Sb3ScaleError as error:
                warnings.warn(f"plugin {plugin.label}: {error}", stacklevel=2)


def by_name(algo: str, name: str) -> Path | None:
    """
    :param algo: name of an algorithm
    :param name: what the user gave as ``--conf-file``
    :return: the file of settings that a plugin offers under this name, if there is one
    :raises Sb3ScaleError: if the name is that of another algorithm's file, a misspelled one, or of
        a file that is missing
    """
    # A path, or the Python module that RL-Zoo allows too.
    if Path(name).suffix or Path(name).exists() or find_spec(name):
        return None
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
    """
    if zoo_file.exists() and (not is_of_a_plugin(env_id) or env_id in read(zoo_file)):
        return zoo_file
    ours = list(offered(algo))
    for key in (env_id, "default"):
        for path, tasks in ours:
            if key in tasks:
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
    :raises Sb3ScaleError: if it is not YAML, or not a mapping of tasks
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


def check_task(tasks: Mapping[str, Any], env_id: str, path: Path) -> None:
    """
    :param tasks: settings per task
    :param env_id: the task that is asked for
    :param path: of the file, for the message
    :raises Sb3ScaleError: if the file has neither the task nor a ``default``
    """
    if "default" not in tasks:
        names = [name for name in tasks if not name.startswith(".")]
        if env_id not in names:
            raise Sb3ScaleError(
                f"{path} has no task '{env_id}' and no 'default'{suggestion(env_id, names)}"
            )


def check_policy(task: Mapping[str, Any], given: Mapping[str, Any], path: Path) -> None:
    """
    :param task: settings of a task, with ScalePolicy
    :param given: settings that replace some of them, from the command line
    :param path: of the file, for the message
    :raises Sb3ScaleError: if they replace the policy, and not what only ScalePolicy takes
    """
    if "policy" not in given or uses_scale_policy(given):
        return
    left = [key for key in ("policy_kwargs", "callback") if key in task and key not in given]
    if left:
        raise Sb3ScaleError(
            f"policy is {given['policy']!r}, and {' and '.join(left)} of {path} are for "
            "ScalePolicy; allowed: ScalePolicy, those settings replaced as well, or another file "
            "by --conf-file, such as RL-Zoo's own"
        )


def uses_scale_policy(hyperparams: Mapping[str, Any]) -> bool:
    """
    :param hyperparams: settings of a task
    :return: whether its policy is made of our parts
    """
    return hyperparams.get("policy") in ("ScalePolicy", "sb3_scale.ScalePolicy")


def check(algo: str, algorithm: type, hyperparams: Mapping[str, Any]) -> None:
    """
    Check the settings of a task that uses ScalePolicy, before RL-Zoo makes anything.

    :param algo: name of the algorithm
    :param algorithm: its class
    :param hyperparams: settings of the task
    :raises Sb3ScaleError: if a key is unknown or a value has the wrong type
    """
    backends.check(hyperparams)
    hints = annotations(algorithm)
    outside = ZOO_KEYS | {backends.KEY}
    known = set(inspect.signature(algorithm).parameters) - {"env", "_init_setup_model"}
    for key, value in hyperparams.items():
        check_key(f"{algo} has no setting", key, value, known | outside)
        if key in hints and key not in outside:
            _check_type(algo, key, value, hints[key])
    for key, wrapper in WRAPPERS.items():
        _check_arguments(key, hyperparams.get(key), wrapper)
    policy_kwargs = hyperparams.get("policy_kwargs") or {}
    # RL-Zoo evaluates a string itself, and then the policy checks it.
    if isinstance(policy_kwargs, Mapping):
        check_policy_kwargs(policy_kwargs)


EVALUATED = ("policy_kwargs", "replay_buffer_class", "replay_buffer_kwargs")
"""Settings that RL-Zoo evaluates as Python when they are strings."""


WRAPPERS = {"normalize": VecNormalize, "monitor_kwargs": Monitor}
"""Settings with arguments of a wrapper that RL-Zoo makes."""


def _check_arguments(key: str, given: Any, wrapper: type) -> None:
    if not isinstance(given, Mapping):
        return
    known = set(inspect.signature(wrapper).parameters) - {"venv", "env", "filename"}
    for name, value in given.items():
        check_key(f"{key} has no argument", name, value, known)


def _check_type(algo: str, key: str, value: Any, hint: Any) -> None:
    if isinstance(value, str) and (key in EVALUATED or value.startswith("lin_")):
        return
    if key == "gradient_steps" and isinstance(value, float):
        # The algorithm's own check says what to write instead of a fraction.
        return
    if key == "train_freq" and isinstance(value, list):
        value = tuple(value)
    check_type(algo, key, value, hint)
