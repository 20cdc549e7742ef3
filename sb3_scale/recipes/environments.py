"""What a recipe must know of an environment, and the vector of them that a model trains in."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import gymnasium
from gymnasium import spaces
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv

from sb3_scale.collection.time_limits import gymnasium_spec, max_episode_steps
from sb3_scale.collection.unmade import UnmadeVecEnv, copied
from sb3_scale.errors import Sb3ScaleError, check_key, shown
from sb3_scale.observations import check_observations
from sb3_scale.recipes import registered
from sb3_scale.recipes.wrappers import check_arguments
from sb3_scale.registration import check_env_id, register_envs

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


def check_env_kwargs(env_id: str, env_kwargs: Mapping[str, Any]) -> None:
    """
    :param env_id: a task that Gymnasium knows
    :param env_kwargs: arguments for it
    :raises Sb3ScaleError: if they are no mapping, or neither ``gymnasium.make`` nor the task has an
        argument of that name
    """
    if not isinstance(env_kwargs, Mapping):
        raise Sb3ScaleError(f"env_kwargs is {shown(env_kwargs)}; allowed: arguments by name")
    if not env_kwargs:
        return
    own = registered.parameters_of(env_id)
    if any(one.kind is inspect.Parameter.VAR_KEYWORD for one in own.values()):
        return
    known = {*own, *inspect.signature(gymnasium.make).parameters} - {"id", "kwargs"}
    for key, value in env_kwargs.items():
        check_key(f"env_kwargs: '{env_id}' has no argument", key, value, known)


def repeats_of(env: AnyEnv) -> registered.Repeats:
    """
    :param env: the environment
    :return: how often it takes an action; one that is made already cannot be told
    """
    if isinstance(env, (gymnasium.Env, VecEnv)):
        return registered.Repeats(False)
    if isinstance(env, str):
        return registered.repeats_of(env)
    with making(env):
        parameters = inspect.signature(env).parameters
    return registered.repeats_with(parameters, env.keywords if isinstance(env, partial) else {})


def id_of(env: AnyEnv) -> str | None:
    """
    :param env: the environment
    :return: its id in Gymnasium, if it has one
    """
    if isinstance(env, str):
        return env
    spec = None
    if isinstance(env, gymnasium.Env):
        spec = env.spec
    elif isinstance(env, VecEnv):
        spec = gymnasium_spec(env)
    return None if spec is None else str(spec.id)


def check_env(env: Any) -> None:
    """
    :param env: as the user gave it
    :raises Sb3ScaleError: if it is no environment and cannot be one
    """
    if isinstance(env, str):
        register_envs()
        check_env_id(env)
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
                raise made_already(key, value)
    if isinstance(env, VecEnv):
        return env
    if isinstance(env, gymnasium.Env):
        return DummyVecEnv([lambda: Monitor(readable(env), **monitor_kwargs)])
    return _make(env, n_envs, env_kwargs, monitor_kwargs, DummyVecEnv)


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
    return _make(env, n_envs, env_kwargs, monitor_kwargs, UnmadeVecEnv)


def _make(
    env: str | Callable[..., Any],
    n_envs: int,
    env_kwargs: Mapping[str, Any],
    monitor_kwargs: Mapping[str, Any],
    vec_env_cls: Any,
) -> VecEnv:
    if isinstance(env, str):
        check_env_kwargs(env, env_kwargs)
    else:
        check_arguments("env_kwargs", env, env_kwargs)
    with making(env):
        return make_vec_env(
            env,
            n_envs,
            env_kwargs=dict(env_kwargs),
            monitor_kwargs=dict(monitor_kwargs),
            wrapper_class=readable,
            vec_env_cls=vec_env_cls,
        )


@contextmanager
def making(env: str | Callable[..., Any]) -> Iterator[None]:
    """
    Within it whatever a stranger's environment raises becomes one sentence that names it.

    :param env: its id, or what makes it
    :raises Sb3ScaleError: if it cannot be made
    """
    try:
        yield
    except Sb3ScaleError:
        raise
    except Exception as error:
        raise Sb3ScaleError(f"{shown(env)} cannot be made: {error}") from error


def readable(env: gymnasium.Env[Any, Any]) -> gymnasium.Env[Any, Any]:
    """
    :param env: an environment
    :return: the same
    :raises Sb3ScaleError: if it has no spaces, or no extractor can read its observations
    """
    for name in ("observation_space", "action_space"):
        if not isinstance(getattr(env, name, None), spaces.Space):
            raise Sb3ScaleError(
                f"{type(env.unwrapped).__name__} has no {name}; allowed: environments with a space "
                "of Gymnasium"
            )
    check_observations(env.observation_space)
    return env


def made_already(key: str, value: Any) -> Sb3ScaleError:
    """
    :param key: of the settings, for environments that are still to be made
    :param value: that it has
    :return: what to raise
    """
    return Sb3ScaleError(
        f"{key} is {shown(value)}, and the environment is made already; allowed: an id, or a class "
        "or function that makes one"
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


def facts(
    env_id: str,
    env_kwargs: Mapping[str, Any],
    wrappers: Sequence[tuple[Any, Mapping[str, Any]]] = (),
) -> Facts:
    """
    Make the environment, unless one with these arguments was asked before.

    :param env_id: an id that Gymnasium knows
    :param env_kwargs: arguments for it; whatever they make it raise is raised
    :param wrappers: around it, from the inside to the outside, and their arguments
    :return: what it says
    """
    spec, key = gymnasium.spec(env_id), (env_id, repr((dict(env_kwargs), wrappers)))
    known = _known.get(key)

    def make() -> gymnasium.Env[Any, Any]:
        env = gymnasium.make(env_id, **env_kwargs)
        for wrapper, arguments in wrappers:
            env = wrapper(env, **arguments)
        return readable(env)

    # The same name may be registered anew.
    if known is None or known[0] is not spec:
        env = DummyVecEnv([make])
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
