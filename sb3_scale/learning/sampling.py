"""Where the batches of a gradient step come from."""

from typing import Any

import torch as th
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.learning.batch import Batch, Transitions
from sb3_scale.replay.one_step import sample_single_steps
from sb3_scale.replay.weighted import PrioritizedReplay

_NAMES = ("observations", "actions", "next_observations", "dones", "rewards")
_PRIORITIZED = (*_NAMES, "importance_weights", "indices")


def sample(
    buffer: Any,
    batch_size: int,
    gamma: float,
    env: VecNormalize | None,
    progress_remaining: float,
    with_transitions: bool,
) -> Batch:
    """
    Draw transitions, whatever the replay buffer gives.

    :param buffer: the replay buffer
    :param batch_size: number of transitions
    :param gamma: discount of a step
    :param env: whose statistics normalise observations and rewards
    :param progress_remaining: from 1 at the start of the training to 0 at its end
    :param with_transitions: whether learners want single steps
    :return: the batch
    :raises Sb3ScaleError: if samples of the buffer lack something, or have it in another shape
    """
    prioritized = isinstance(buffer, PrioritizedReplay)
    if prioritized:
        buffer.progress_remaining = progress_remaining
    data = buffer.sample(batch_size, env=env)
    discounts = getattr(data, "discounts", None)
    _check(buffer, data, batch_size, discounts, prioritized)
    return Batch(
        data.observations,
        data.next_observations,
        data.actions,
        data.rewards,
        (1 - data.dones) * (gamma if discounts is None else discounts),
        data.importance_weights if prioritized else None,
        data.indices if prioritized else None,
        sample_transitions(buffer, batch_size, env) if with_transitions else None,
    )


def _check(buffer: Any, data: Any, size: int, discounts: Any, prioritized: bool) -> None:
    """Columns of another shape would be spread over the batch without a word."""
    names = _PRIORITIZED if prioritized else _NAMES
    missing = [name for name in names if not hasattr(data, name)]
    if missing:
        raise Sb3ScaleError(
            f"samples of {type(buffer).__name__} have no '{missing[0]}'; allowed: samples with "
            f"{', '.join(names)}"
        )
    columns = {"rewards": data.rewards, "dones": data.dones}
    if discounts is not None:
        columns["discounts"] = discounts
    if prioritized:
        columns["importance_weights"] = data.importance_weights
    for name, column in columns.items():
        _check_tensor(buffer, name, column, (size, 1))
    _check_tensor(buffer, "actions", data.actions, (size, buffer.action_dim))
    for name in ("observations", "next_observations"):
        _check_observations(buffer, name, getattr(data, name), size)
    if data.dones.dtype is th.bool:
        raise Sb3ScaleError(
            f"dones in samples of {type(buffer).__name__} are {data.dones.dtype}; allowed: numbers"
        )


def _check_observations(buffer: Any, name: str, found: Any, size: int) -> None:
    shapes = buffer.obs_shape
    if not isinstance(shapes, dict):
        _check_tensor(buffer, name, found, (size, *shapes))
        return
    if not isinstance(found, dict) or found.keys() != shapes.keys():
        keys = list(found) if isinstance(found, dict) else type(found).__name__
        raise Sb3ScaleError(
            f"{name} in samples of {type(buffer).__name__} are {keys}; allowed: a dict with "
            f"{', '.join(shapes)}"
        )
    for key, shape in shapes.items():
        _check_tensor(buffer, f"{name}['{key}']", found[key], (size, *shape))


def _check_tensor(buffer: Any, name: str, found: Any, shape: tuple[int, ...]) -> None:
    where = f"{name} in samples of {type(buffer).__name__}"
    if not isinstance(found, th.Tensor):
        raise Sb3ScaleError(f"{where} are {type(found).__name__}; allowed: tensors")
    if found.shape != shape:
        raise Sb3ScaleError(f"{where} have shape {tuple(found.shape)}; allowed: {shape}")


def sample_transitions(buffer: Any, batch_size: int, env: VecNormalize | None) -> Transitions:
    """
    Draw single steps, all alike.

    :param buffer: the replay buffer
    :param batch_size: number of steps
    :param env: whose statistics normalise observations
    :return: the steps
    """
    return _transitions(sample_single_steps(buffer, batch_size, env))


def _transitions(data: Any) -> Transitions:
    return Transitions(data.observations, data.actions, data.next_observations)


def sample_single_batch(
    buffer: Any, batch_size: int, gamma: float, env: VecNormalize | None
) -> Batch:
    """
    Draw a batch of single steps, all alike, for a learner that is trained alone.

    :param buffer: the replay buffer
    :param batch_size: number of steps
    :param gamma: discount of a step
    :param env: whose statistics normalise observations and rewards
    :return: the batch, with its steps as ``transitions``
    """
    data = sample_single_steps(buffer, batch_size, env)
    return Batch(
        data.observations,
        data.next_observations,
        data.actions,
        data.rewards,
        (1 - data.dones) * gamma,
        transitions=_transitions(data),
    )
