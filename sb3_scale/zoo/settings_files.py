"""Files of settings as RL-Zoo reads them: YAML, a Python file or a Python module."""

import runpy
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from rl_zoo3.exp_manager import ExperimentManager

from sb3_scale.errors import Sb3ScaleError, nearest, shown
from sb3_scale.recipes import resolve
from sb3_scale.zoo import configs

PYTHON = "a Python file or module with a dictionary 'hyperparams', settings by task"


def is_yaml(config: str) -> bool:
    """
    :param config: what RL-Zoo reads
    :return: whether it is YAML
    """
    return config.endswith((".yml", ".yaml"))


def check(config: str, algo: str, env_id: str, is_atari: bool, given: Mapping[str, Any]) -> None:
    """
    :param config: a file of YAML, or else a Python file or module, which is not run here
    :param algo: name of the algorithm
    :param env_id: the task
    :param is_atari: whether RL-Zoo takes it for one of Atari's
    :param given: settings that replace some of the file's, from the command line
    :raises Sb3ScaleError: if there is no such file, it has no settings for the task, there is no
        such recipe, or what replaces its policy does not go with the rest
    """
    if is_yaml(config):
        task = _task(config, configs.read(Path(config)), env_id, is_atari)
        if "recipe" in task:
            task = resolve.plain(task, algo, env_id)
        if "recipe" in given or configs.uses_scale_policy({**task, **given}):
            configs.read_once(Path(config))
        elif configs.uses_scale_policy(task):
            _check_replaced_policy(task, given, config)
    elif config.endswith(".py") and not Path(config).is_file():
        raise Sb3ScaleError(f"there is no file '{config}'")
    elif not config.endswith(".py") and ("/" in config or Path(config).is_file()):
        what = "a folder" if Path(config).is_dir() else "neither YAML nor Python by their ending"
        raise Sb3ScaleError(f"the settings '{config}' are {what}; allowed: .yml, .yaml, {PYTHON}")


def task(config: str, env_id: str, is_atari: bool) -> Mapping[str, Any]:
    """
    :param config: what RL-Zoo reads
    :param env_id: the task
    :param is_atari: whether RL-Zoo takes it for one of Atari's
    :return: settings of the task; Python is run for them
    :raises Sb3ScaleError: if they cannot be read
    """
    if is_yaml(config):
        return _task(config, configs.read(Path(config)), env_id, is_atari)
    # A user's Python may raise anything; it becomes one sentence that names the file.
    try:
        found = runpy.run_path(config) if config.endswith(".py") else vars(import_module(config))
        content = found["hyperparams"]
    except (Exception, SystemExit) as error:
        raise _unreadable(f"the settings '{config}'", error, PYTHON) from error
    return _task(config, content, env_id, is_atari)


def read(manager: ExperimentManager, zoo_read: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """
    Let RL-Zoo read; what its reading of a user's Python, or of a trial, raises is a sentence.

    :param manager: RL-Zoo's ``ExperimentManager``
    :param zoo_read: its own ``read_hyperparameters``
    :return: what that gives
    :raises Sb3ScaleError: if the settings, or the trial, cannot be read
    """
    what, allowed = f"the settings '{manager.config}'", PYTHON
    if is_yaml(manager.config):
        if not manager.trial_id:
            return zoo_read(manager)  # type: ignore[no-any-return]
        what = f"trial {manager.trial_id} of the study '{manager.study_name}'"
        allowed = "a trial that --storage and --study-name have, of a search with the same policy"
    try:
        return zoo_read(manager)  # type: ignore[no-any-return]
    except Sb3ScaleError:
        raise
    except (Exception, SystemExit) as error:
        raise _unreadable(what, error, allowed) from error


def _task(config: str, content: Any, env_id: str, is_atari: bool) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        raise Sb3ScaleError(f"{config} has {shown(content)}; allowed: settings by task")
    keys = (env_id, *(["atari"] if is_atari else []), "default")
    key = next((key for key in keys if key in content), None)
    if key is None:
        near = nearest(env_id, filter(lambda key: isinstance(key, str), content))
        raise Sb3ScaleError(f"{config} has no settings for '{env_id}', and no 'default'{near}")
    found = content[key]
    if not isinstance(found, Mapping) or not all(isinstance(name, str) for name in found):
        raise Sb3ScaleError(f"{config} has {shown(found)} for '{key}'; allowed: settings by name")
    return found


def _check_replaced_policy(task: Mapping[str, Any], given: Mapping[str, Any], config: str) -> None:
    left = [key for key in ("policy_kwargs", "callback") if key in task and key not in given]
    if left:
        raise Sb3ScaleError(
            f"policy is {shown(given['policy'])}, and {' and '.join(left)} of {config} are for "
            "ScalePolicy; allowed: ScalePolicy, those settings replaced as well, or another file "
            "by --conf-file, such as RL-Zoo's own"
        )


def _unreadable(what: str, error: BaseException, allowed: str) -> Sb3ScaleError:
    text = " ".join(str(error).split())
    return Sb3ScaleError(
        f"{what} cannot be read: {type(error).__name__}: {text:.300}; allowed: {allowed}"
    )
