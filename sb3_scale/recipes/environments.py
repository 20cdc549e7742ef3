"""What a recipe must know of an environment, and the vector of them that a model trains in."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import gymnasium
from gymnasium import spaces
from gymnasium.envs.registration import load_env_creator
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sb3_scale.collection.time_limits import max_episode_steps
from sb3_scale.collection.unmade import UnmadeVecEnv, copied
from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.registration import env_hint, register_envs

AnyEnv = str | gymnasium.Env[Any, Any] | VecEnv | Callable[..., Any]
"""An id of Gymnasium, an environment, several, or a class or function that makes one."""


class SpacesOnly(gymnasium.Env[Any, Any]):
    """
    Has the spaces of a task, and nothing else.

    :param observations: observation space
    :param actions: action space
    """

    def __init__(self, observations: spaces.Space[Any], actions: spaces.Space[Any]) -> None:
        self.observation_space = observations
        self.action_space = actions


class SpacesWithGoals(SpacesOnly):
    """The same for a task that gives rewards for other goals, which a replay buffer asks of it."""

    def compute_reward(self, achieved_goal: Any, desired_goal: Any, info: Any) -> Any:
        """
        :param achieved_goal: of nobody
        :param desired_goal: of nobody
        :param info: of nobody
        :raises NotImplementedError: always
        """
        raise NotImplementedError("spaces have no rewards")


def parameters_of(env_id: str) -> Mapping[str, inspect.Parameter]:
    """
    :param env_id: an id that Gymnasium knows
    :return: what its class or function takes, by name
    :raises Sb3ScaleError: if that cannot be imported
    """
    entry_point = gymnasium.spec(env_id).entry_point
    try:
        creator = load_env_creator(entry_point) if isinstance(entry_point, str) else entry_point
        return inspect.signature(creator).parameters if creator else {}
    except Exception as error:
        raise Sb3ScaleError(f"'{env_id}' cannot be made: {error}") from error


def repeats_actions(env: AnyEnv) -> bool:
    """
    :param env: the environment
    :return: whether it is still to be made, and takes ``action_repeat``
    """
    if isinstance(env, str):
        return "action_repeat" in parameters_of(env)
    if isinstance(env, (gymnasium.Env, VecEnv)):
        return False
    return "action_repeat" in inspect.signature(env).parameters


def check_env(env: Any) -> None:
    """
    :param env: as the user gave it
    :raises Sb3ScaleError: if it is no environment and cannot be one
    """
    if isinstance(env, str):
        register_envs()
        if env not in gymnasium.registry:
            raise Sb3ScaleError(f"there is no environment {shown(env)}{env_hint(env)}")
    elif not (isinstance(env, (gymnasium.Env, VecEnv)) or callable(env)):
        raise Sb3ScaleError(
            f"env is {shown(env)}; allowed: an environment of Gymnasium, a VecEnv, an id, or a "
            "class or function that makes an environment"
        )


def as_vec_env(
    env: AnyEnv, n_envs: int, env_kwargs: Mapping[str, Any], monitor_kwargs: Mapping[str, Any]
) -> VecEnv:
    """
    :param env: the environment
    :param n_envs: how many to make
    :param env_kwargs: arguments for them
    :param monitor_kwargs: arguments of ``Monitor``, without use for a ``VecEnv``
    :return: environments with a ``Monitor`` each; a ``VecEnv`` as it is
    :raises Sb3ScaleError: if one that is made already shall have arguments, or be several
    """
    if isinstance(env, (gymnasium.Env, VecEnv)):
        for key, value, default in (("n_envs", n_envs, 1), ("env_kwargs", dict(env_kwargs), {})):
            if value != default:
                raise Sb3ScaleError(
                    f"{key} is {shown(value)}, and the environment is made already; allowed: an "
                    "id, or a class or function that makes one"
                )
    if isinstance(env, VecEnv):
        return env
    if isinstance(env, gymnasium.Env):
        return DummyVecEnv([lambda: Monitor(env, **monitor_kwargs)])
    return make_vec_env(
        env, n_envs, env_kwargs=dict(env_kwargs), monitor_kwargs=dict(monitor_kwargs)
    )


def for_collectors(
    env: AnyEnv, n_envs: int, env_kwargs: Mapping[str, Any], monitor_kwargs: Mapping[str, Any]
) -> VecEnv:
    """
    :param env: the environment; one that is made already is copied
    :param n_envs: how many collectors are to make
    :param env_kwargs: arguments for them
    :param monitor_kwargs: arguments of ``Monitor``, without use for a ``VecEnv``
    :return: what stands for them; a ``VecEnv`` as it is
    :raises Sb3ScaleError: if one that is made already shall have arguments, or cannot be copied
    """
    if isinstance(env, VecEnv):
        return as_vec_env(env, 1, env_kwargs, monitor_kwargs)
    if isinstance(env, gymnasium.Env):
        return copied(as_vec_env(env, 1, env_kwargs, monitor_kwargs), n_envs)
    return make_vec_env(
        env,
        n_envs,
        env_kwargs=dict(env_kwargs),
        monitor_kwargs=dict(monitor_kwargs),
        vec_env_cls=UnmadeVecEnv,  # type: ignore[arg-type]
    )


class Facts(NamedTuple):
    """
    What an environment says of itself.

    :param max_episode_steps: decisions in the longest episode, if that is known
    :param observations: observation space
    :param actions: action space
    :param has_goals: whether it computes rewards for other goals
    """

    max_episode_steps: int | None
    observations: spaces.Space[Any]
    actions: spaces.Space[Any]
    has_goals: bool


_known: dict[tuple[str, str], tuple[Any, Facts]] = {}
"""What environments have said: a sweep asks them for each of its trainings."""


def facts(env_id: str, env_kwargs: Mapping[str, Any]) -> Facts:
    """
    Make the environment, unless one with these arguments was asked before.

    :param env_id: an id that Gymnasium knows
    :param env_kwargs: arguments for it; whatever they make it raise is raised
    :return: what it says
    """
    spec, key = gymnasium.spec(env_id), (env_id, repr(dict(env_kwargs)))
    known = _known.get(key)
    # The same name may be registered anew.
    if known is None or known[0] is not spec:
        env = DummyVecEnv([lambda: gymnasium.make(env_id, **env_kwargs)])
        try:
            found = Facts(
                max_episode_steps(env),
                env.observation_space,
                env.action_space,
                env.has_attr("compute_reward"),
            )
        finally:
            env.close()
        _known[key] = known = (spec, found)
    return known[1]
