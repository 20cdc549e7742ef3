"""``sb3_scale.recipe``: a model that is ready to learn."""

from typing import Any

import gymnasium
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv, VecNormalize, unwrap_vec_normalize

from sb3_scale.actions import is_discrete
from sb3_scale.algorithms import ScaleAlgorithm
from sb3_scale.algorithms.schedules import schedule
from sb3_scale.collection.time_limits import max_episode_steps
from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.notices import notice
from sb3_scale.parts import build, load_target
from sb3_scale.plugins import manager
from sb3_scale.quantities import Whole
from sb3_scale.recipes import deviations, environments, files, resolve
from sb3_scale.recipes.changes import REPEAT, Settings, together
from sb3_scale.recipes.environments import AnyEnv
from sb3_scale.recipes.noise import take_noise
from sb3_scale.recipes.normalization import choose_normalization, normalizes_observations
from sb3_scale.recipes.wrappers import check_monitor, check_normalize, with_tuples

OF_ZOO = ("env_backend", "env_wrapper", "frame_stack", "vec_env_wrapper")
"""Keys that change what RL-Zoo makes, which here is the user's."""

OF_ENVIRONMENTS = ("n_envs", "env_kwargs", "monitor_kwargs")
"""Keys with which they are made, before it is known what actions they take."""


def recipe(name: str, env: AnyEnv, **changes: Any) -> ScaleAlgorithm:
    """
    Make a model that trains as a recipe says.

    Four lines train it::

        model = sb3_scale.recipe("xqc", MyEnv())
        model.learn(100_000)

    Where a recipe has ``normalize``, the environment becomes a ``VecNormalize``, whose statistics
    are saved apart: ``model.get_vec_normalize_env().save(path)``. Its callbacks join those of every
    ``learn``.

    :param name: of a recipe; ``sb3-scale recipes`` lists them
    :param env: an environment, a ``VecEnv``, an id of Gymnasium, or a class or function that makes
        an environment, which then gets ``env_kwargs`` and is made ``n_envs`` times
    :param changes: settings that differ from the recipe's, and arguments of the algorithm such as
        ``seed`` and ``verbose``. A path with dots changes inside a part:
        ``**{"policy_kwargs.critic.network.width": 256}``
    :return: the algorithm
    :raises Sb3ScaleError: if there is no such recipe, it is not for the spaces of the environment,
        or a change is wrong
    """
    spec = files.find(name)
    environments.check_env(env)
    env_id = environments.id_of(env)
    if "recipe" in changes:
        raise Sb3ScaleError(
            f"recipe is {shown(changes['recipe'])} among the changes of '{name}'; allowed: "
            "its name as the first argument"
        )
    start, change = {"recipe": name}, together([changes])
    _check_read(env, change)
    settings = resolve.changed(start, change, spec.algo, env_id)
    for key in OF_ZOO:
        if settings.get(key) is not None:
            raise Sb3ScaleError(
                f"the recipe '{name}' has {key} {shown(settings[key])}, which is for RL-Zoo; "
                "allowed: an environment that is wrapped already, and no such key"
            )
    repeats = environments.repeats_of(env)
    follows = repeats.follows(asked=REPEAT in change)
    decided = resolve.repeat_actions(settings, follows, repeats.own)
    if isinstance(env, (gymnasium.Env, VecEnv)) and not resolve.has_env_kwargs(change):
        left_out = settings.pop("env_kwargs", None)
        if left_out:
            decided.append(f"without env_kwargs {left_out}, since the environment is made already")
    collector = build("collector", settings.get("collector", "local"))
    decided += deviations.of(start, change, settings, spec.algo, env_id)
    make = environments.for_collectors if collector.own_environments else environments.as_vec_env
    venv = make(
        env,
        collector.count_environments(settings.pop("n_envs", None)),
        settings.pop("env_kwargs", None) or {},
        _monitor(settings.pop("monitor_kwargs", None)),
    )
    if is_discrete(venv.action_space):
        settings = resolve.changed(start, change, spec.algo, env_id, venv.action_space)
        resolve.repeat_actions(settings, False)
        for key in OF_ENVIRONMENTS:
            settings.pop(key, None)
    decided += resolve.choose_gamma(settings, max_episode_steps(venv))
    decided += choose_normalization(settings, venv.observation_space)
    if normalizes_observations(settings):
        decided.append(
            "observations are normalised by running statistics; predict takes "
            "model.get_vec_normalize_env().normalize_obs(observation)"
        )
    for line in decided:
        notice(f"recipe {name}: {line}")
    callbacks = settings.pop("callback", None) or []
    algorithm: type[ScaleAlgorithm] = load_target(manager().find("algorithm", spec.algo)[1])
    model = algorithm(env=_normalized(venv, settings), **_arguments(settings, venv))
    model.own_callbacks = callbacks if isinstance(callbacks, list) else [callbacks]
    return model


def _check_read(env: AnyEnv, changes: Settings) -> None:
    """Changes that nothing would read."""
    if "n_timesteps" in changes:
        raise Sb3ScaleError(
            f"n_timesteps is {shown(changes['n_timesteps'])}, and a model learns as long as it is "
            "told; allowed: model.learn(STEPS)"
        )
    if changes.get("n_envs") is not None:
        Whole(1)("n_envs", changes["n_envs"])
    for key in ("n_envs", "monitor_kwargs"):
        if isinstance(env, VecEnv) and changes.get(key) is not None:
            raise environments.made_already(key, changes[key])


def _monitor(given: Any) -> dict[str, Any]:
    check_monitor("monitor_kwargs", given)
    return with_tuples(Monitor, _mapping("monitor_kwargs", given))


def _normalized(env: VecEnv, settings: Settings) -> VecEnv:
    given = settings.pop("normalize", None)
    if not given:
        return env
    check_normalize("normalize", given)
    if unwrap_vec_normalize(env) is not None:
        raise Sb3ScaleError(
            f"normalize is {shown(given)}, and the environment is a VecNormalize already; allowed: "
            "normalize=False"
        )
    own = {} if given is True else _mapping("normalize", given)
    return VecNormalize(env, **{"gamma": settings.get("gamma", 0.99), **own})


def _mapping(key: str, given: Any) -> dict[str, Any]:
    """Without the Python that RL-Zoo evaluates."""
    if isinstance(given, str):
        raise Sb3ScaleError(f"{key} is {shown(given)}; allowed: arguments by name")
    return dict(given or {})


def _arguments(settings: Settings, env: VecEnv) -> dict[str, Any]:
    """Of an algorithm, where RL-Zoo's files have something else."""
    # ``learn`` is told how long.
    settings.pop("n_timesteps", None)
    if isinstance(settings.get("train_freq"), list):
        settings["train_freq"] = tuple(settings["train_freq"])
    if isinstance(settings.get("learning_rate"), str):
        settings["learning_rate"] = schedule("learning_rate", settings["learning_rate"])
    noise = take_noise(settings, env)
    if noise is not None:
        settings["action_noise"] = noise
    return settings
