"""Which replay buffer an algorithm has, and when it is made anew."""

from typing import Any

from gymnasium import spaces

from sb3_scale.notices import notice
from sb3_scale.parts import resolve
from sb3_scale.replay.compact import CompactReplayBuffer


def choose_replay_buffer(model: Any) -> None:
    """
    Find one by its name; ours stands where Stable-Baselines3 would take its plain one.

    :param model: the algorithm, before its setup
    """
    if (
        model.replay_buffer_class is None
        and model.scaled
        and isinstance(model.observation_space, spaces.Box)
        and model.n_steps == 1
        and not model.optimize_memory_usage
    ):
        model.replay_buffer_class = "compact"
    if isinstance(model.replay_buffer_class, str):
        part = {"name": model.replay_buffer_class, **model.replay_buffer_kwargs}
        model.replay_buffer_class, _, _ = resolve("replay-buffer", part)


def fill_up_replay_buffer(model: Any) -> bool:
    """
    Make the buffer in its full size, where a model that was loaded for prediction has a tiny one.

    :param model: the algorithm, with its environments
    :return: whether it was made
    """
    buffer = model.replay_buffer
    # Any other one was loaded or put there by the user.
    if buffer is None or buffer is not vars(model).pop("tiny_replay_buffer", None):
        return False
    model.replay_buffer = type(buffer)(
        model.buffer_size,
        model.observation_space,
        model.action_space,
        device=model.device,
        n_envs=model.n_envs,
        optimize_memory_usage=model.optimize_memory_usage,
        **model.replay_buffer_kwargs,
    )
    tell_of_replay_buffer(model)
    return True


def tell_of_replay_buffer(model: Any) -> None:
    """
    Say how much memory it takes, and where.

    :param model: the algorithm
    """
    if model.verbose >= 1 and isinstance(model.replay_buffer, CompactReplayBuffer):
        notice(model.replay_buffer.summary())
