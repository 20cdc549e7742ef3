"""How an algorithm is made: arguments are checked, then come policy, buffer and training."""

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import torch as th
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecTransposeImage

from sb3_scale.action_spaces import check_bounds, check_spaces
from sb3_scale.algorithms import options
from sb3_scale.algorithms.arguments import check_buffer_arguments, check_call, check_settings
from sb3_scale.algorithms.buffer_checks import (
    check_buffer_and_loss,
    check_layout,
    check_replay_buffer,
)
from sb3_scale.algorithms.buffers import (
    check_batch_memory,
    check_buffer_memory,
    choose_replay_buffer,
    hold_scaled_actions,
    tell_of_replay_buffer,
)
from sb3_scale.algorithms.checks import (
    check_actor,
    check_batch_size,
    check_stock_kwargs,
    check_stock_policy,
    check_transforms,
    is_scale_policy,
    tell_of_statistics,
)
from sb3_scale.algorithms.goals import check_goal_environment, give_environment
from sb3_scale.algorithms.spaces import check_exploration, refuse_discrete
from sb3_scale.algorithms.stacked_frames import check_stacked_once
from sb3_scale.algorithms.training import Training
from sb3_scale.algorithms.trial import try_parts
from sb3_scale.built import recorded_parts
from sb3_scale.collection.unmade import copied
from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.execution.allocator import fresh_pages
from sb3_scale.execution.devices import check_device, check_device_name
from sb3_scale.memory import networks_within
from sb3_scale.observations import check_observations
from sb3_scale.parts import build, track_providers
from sb3_scale.plain import plain
from sb3_scale.policies import check_policy_kwargs
from sb3_scale.stock_words import NO_SDE

if TYPE_CHECKING:
    from sb3_scale.algorithms.base import ScaleAlgorithm


def construct(model: "ScaleAlgorithm", given: dict[str, Any]) -> None:
    """
    The constructor of an algorithm.

    :param model: without any attribute
    :param given: arguments that differ from the defaults of the library's class
    :raises Sb3ScaleError: if an argument cannot be used
    """
    check_call(type(model), model.policy_aliases, given)
    own, scaled = options.defaults(model.options), is_scale_policy(given["policy"])
    if scaled:
        # A buffer's own arguments may be arrays that are meant to be.
        theirs = ("replay_buffer_kwargs",)
        given = {key: each if key in theirs else plain(each) for key, each in given.items()}
    else:
        own.update(model.stock_defaults)
    own.update({name: given.pop(name) for name in own.keys() & given.keys()})
    setup = given.pop("_init_setup_model", True)
    env = given.get("env")
    if scaled:
        check_env(env, setup)
        if isinstance(env, (gym.Env, VecEnv)):
            check_observations(env.observation_space)
        if given.get("use_sde"):
            raise Sb3ScaleError(NO_SDE)
    given["policy_kwargs"] = model.check_arguments(
        given["policy"], given.get("policy_kwargs"), given.get("device", "auto")
    )
    try:
        model._library.__init__(model, **given, **model.fixed, _init_setup_model=False)
    except AssertionError:
        # The library asserts that it knows the action space; our users get a sentence.
        if scaled:
            check_spaces(model.action_space)
            refuse_discrete(type(model).__name__, model.action_space)
        raise
    if model.env is not None:
        check_bounds(model.action_space)
    vars(model).update(own)
    if setup:
        model._setup_model()


def check_env(env: Any, needed: bool) -> None:
    """
    :param env: as the user gave it
    :param needed: whether there must be one, as for all but reading a checkpoint
    :raises Sb3ScaleError: if it is none
    """
    if isinstance(env, (gym.Env, VecEnv, str)) or (env is None and not needed):
        return
    hint = f"; {env.__name__}() may make one" if isinstance(env, type) else ""
    raise Sb3ScaleError(
        f"env is {shown(env)}; allowed: an environment of Gymnasium, a VecEnv, or an id{hint}"
    )


def checked_policy_kwargs(
    model: "ScaleAlgorithm",
    policy: str | type[BasePolicy],
    policy_kwargs: dict[str, Any] | None,
    device: th.device | str,
) -> dict[str, Any] | None:
    """
    :param model: the algorithm
    :param policy: the policy class or its name
    :param policy_kwargs: its arguments
    :param device: the device that was asked for
    :return: the arguments; the user's mapping is not changed
    :raises Sb3ScaleError: if an argument or the device cannot be used
    """
    if not is_scale_policy(policy):
        check_device_name("device", device)
        check_stock_kwargs(model.policy_aliases, policy, policy_kwargs or {})
        return policy_kwargs
    if not (isinstance(device, str) and device == "auto"):
        check_device("device", device, "cpu, auto")
    policy_kwargs = dict(policy_kwargs or {})
    check_policy_kwargs(policy_kwargs)
    return policy_kwargs


def set_up(model: "ScaleAlgorithm", make: Callable[[], None]) -> None:
    """
    Make what an algorithm has beside its arguments.

    :param model: with all arguments
    :param make: the same method of the library's class
    :raises Sb3ScaleError: if arguments, environment, buffer and parts do not go together
    """
    check_settings(model)
    choose_replay_buffer(model)
    check_buffer_arguments(model)
    check_goal_environment(model)
    if model.scaled:
        _set_up_scaled(model, make)
        return
    check_stock_policy(model, {**options.defaults(model.options), **model.stock_defaults})
    try:
        make()
    except MemoryError as error:
        raise Sb3ScaleError(f"buffer_size is {model.buffer_size}: {error}") from error
    give_environment(model)


def _leave_to_collectors(model: "ScaleAlgorithm") -> None:
    """One environment stands for those that a collector makes, as it does for a single process."""
    collector, env = build("collector", model.collector), model.env
    if env is None or env.num_envs > 1 or not collector.own_environments:
        return
    number = collector.count_environments(None)
    single = env.venv if isinstance(env, VecTransposeImage) else env
    if number > 1 and type(single) is DummyVecEnv:
        model.env, model.n_envs = copied(env, number), number


def _set_up_scaled(model: "ScaleAlgorithm", make: Callable[[], None]) -> None:
    if model.use_sde:
        raise Sb3ScaleError(NO_SDE)
    capacity = model.buffer_size
    if model.env is None:
        # Loaded for prediction: set_env makes the real buffer.
        model.buffer_size = 1
    else:
        _leave_to_collectors(model)
        check_stacked_once(model)
    check_observations(model.observation_space)
    check_spaces(model.action_space)
    check_exploration(model)
    model.policy_kwargs = model.completed_parts(model.action_space)
    check_buffer_memory(model)
    check_batch_memory(model)
    providers = model.part_providers
    with (
        warnings.catch_warnings(),
        fresh_pages(),
        track_providers(providers) as used,
        recorded_parts() as parts,
        networks_within(model.device),
    ):
        # Not ignored: check_replay_buffer wants the buffer's to be the same.
        warnings.filterwarnings("ignore", "`n_steps=.* is ignored")
        make()
    model.buffer_size = capacity
    if model.env is None:
        model.tiny_replay_buffer = model.replay_buffer
    model.part_providers = used
    check_actor(type(model).__name__, model.policy, model.stochastic_actor)
    check_batch_size(model.batch_size, model.policy)
    model.prepare_optimizers()
    model.training = Training(model)
    try_parts(model.policy, model.training.learners, parts)
    if model.env is not None:
        give_environment(model)
        hold_scaled_actions(model)
        tell_of_replay_buffer(model)
        check_replay_buffer(model)
        check_layout(model)
    check_buffer_and_loss(model)
    check_transforms(model)
    tell_of_statistics(model)
