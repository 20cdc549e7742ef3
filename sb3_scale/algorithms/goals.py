"""Environments with goals, for replay buffers with hindsight."""

import inspect
from typing import Any

from stable_baselines3.common.type_aliases import TrainFrequencyUnit
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from sb3_scale.collection.time_limits import max_episode_steps
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.replay.hindsight import HindsightStorage, check_goals, strategy_of

HINDSIGHT = (HerReplayBuffer, HindsightStorage)


def check_goal_environment(model: Any) -> None:
    """
    :param model: whose ``replay_buffer_class`` is a class, before the buffer is made
    :raises Sb3ScaleError: if it has hindsight, and the environment has no goals or no rewards for
        others
    """
    kind = model.replay_buffer_class
    if not (isinstance(kind, type) and issubclass(kind, HINDSIGHT)):
        return
    check_goals(kind.__name__, model.observation_space)
    # Of Stable-Baselines3's an assertion or a KeyError would tell.
    own = inspect.signature(strategy_of).parameters
    given = model.replay_buffer_kwargs
    strategy_of(**{name: given[name] for name in own if name in given})
    if model.env is not None:
        check_rewards(kind.__name__, model.env)


def check_rewards(name: str, env: Any) -> None:
    """
    :param name: of a replay buffer with hindsight
    :param env: environments
    :raises Sb3ScaleError: if they cannot compute rewards for other goals
    """
    if not env.has_attr("compute_reward"):
        raise Sb3ScaleError(
            f"{name} gives transitions other goals, and the environment has no compute_reward; "
            "allowed: environments with compute_reward(achieved_goal, desired_goal, info)"
        )


def give_environment(model: Any) -> None:
    """
    Let the replay buffer ask the algorithm's environments for rewards, if it has hindsight.

    :param model: the algorithm
    :raises Sb3ScaleError: if they cannot compute rewards for other goals
    """
    buffer = model.replay_buffer
    if isinstance(buffer, HINDSIGHT) and model.env is not None:
        check_rewards(type(buffer).__name__, model.env)
        buffer.env = model.env


def check_first_episode(model: Any) -> None:
    """
    :param model: about to learn
    :raises Sb3ScaleError: if its buffer has hindsight, and the first gradient step would come
        before the time limit of the first episode
    """
    buffer = model.replay_buffer
    if not isinstance(buffer, HINDSIGHT) or model.env is None or model.gradient_steps == 0:
        return
    ended = buffer.episodes.lengths if isinstance(buffer, HindsightStorage) else buffer.ep_length
    if ended.any() or model.train_freq.unit == TrainFrequencyUnit.EPISODE:
        return
    longest = max_episode_steps(model.env)
    least = (longest - 1) * model.n_envs if longest else 0
    starts = model.learning_starts + (model.train_freq.frequency - 1) * model.n_envs
    if starts < least:
        raise Sb3ScaleError(
            f"learning_starts is {model.learning_starts}, and {type(buffer).__name__} draws from "
            f"episodes that have ended, which may take {longest} steps in each of {model.n_envs} "
            f"environments; allowed: at least {longest * model.n_envs}"
        )
