"""Whether a replay buffer fits the algorithm, and what it holds can be learned from."""

import inspect
from typing import Any

from stable_baselines3.common.preprocessing import get_action_dim, get_obs_shape

from sb3_scale.algorithms.goals import HINDSIGHT
from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.notices import notice
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.replay.finite import all_finite, first_wrong
from sb3_scale.replay.one_step import gives_single_steps
from sb3_scale.replay.weighted import has_priorities

ROWS = 1 << 14
"""Of a replay buffer that are looked at together."""


def no_priorities(model: Any) -> str:
    """
    :param model: with a policy of Stable-Baselines3 and a buffer with priorities
    :return: why that cannot be
    """
    return (
        f"replay_buffer_class gives priorities, and {model.policy_class.__name__} does not know "
        "them; allowed with policy: ScalePolicy"
    )


def check_replay_buffer(model: Any) -> None:
    """
    :param model: with its policy and its replay buffer
    :raises Sb3ScaleError: if the buffer's returns are not those of the algorithm's ``n_steps`` and
        ``gamma``, or a learner needs single steps that it does not give
    """
    buffer, kind = model.replay_buffer, type(model.replay_buffer).__name__
    n_steps = getattr(buffer, "n_steps", 1)
    if model.n_steps > 1 and isinstance(buffer, HINDSIGHT):
        notice(f"n_steps is {model.n_steps} without effect: {kind} gives returns over 1")
    elif model.n_steps > 1 and n_steps != model.n_steps:
        knows = hasattr(buffer, "n_steps")
        raise Sb3ScaleError(
            f"n_steps is {model.n_steps}, and {kind} gives returns over {n_steps}; allowed: "
            + ("the same, in replay_buffer_kwargs" if knows else "1, or no replay_buffer_class")
        )
    gamma = getattr(buffer, "gamma", model.gamma)
    if n_steps > 1 and gamma != model.gamma:
        raise Sb3ScaleError(
            f"gamma of the replay buffer is {gamma}, and that of the algorithm is {model.gamma}; "
            "allowed: the same, in replay_buffer_kwargs"
        )
    reader = next((each.name for each in model.learners if each.reads_transitions), None)
    if reader is not None and not gives_single_steps(buffer):
        raise Sb3ScaleError(
            f"the {reader} learns from single steps, and {kind} does not give them; allowed: "
            "replay buffers derived from SingleStepReplay, and those of Stable-Baselines3"
        )


def check_fit(model: Any) -> None:
    """
    Check a replay buffer that was loaded or put in place, before it is written or read.

    :param model: with its policy and its replay buffer
    :raises Sb3ScaleError: if the two do not fit
    """
    buffer, kind = model.replay_buffer, type(model.replay_buffer).__name__
    if not model.scaled:
        if has_priorities(buffer):
            raise Sb3ScaleError(no_priorities(model))
        return
    theirs = (buffer.n_envs, buffer.obs_shape, buffer.action_dim)
    shape, actions = get_obs_shape(model.observation_space), get_action_dim(model.action_space)
    for what, found, wanted in zip(
        ("environments", "shape of observations", "numbers in an action"),
        theirs,
        (model.n_envs, shape, actions),
        strict=True,
    ):
        if found != wanted:
            raise Sb3ScaleError(
                f"{what} of the replay buffer: {found}, and of the algorithm: {wanted}; allowed: "
                "the same"
            )
    try:
        inspect.signature(buffer.sample).bind(1, env=None)
    except TypeError as error:
        raise Sb3ScaleError(
            f"{kind} cannot be sampled: {error}; allowed: sample(self, batch_size, env=None)"
        ) from None
    if has_priorities(buffer):
        try:
            inspect.signature(buffer.update_priorities).bind(None, None)
        except TypeError as error:
            raise Sb3ScaleError(
                f"{kind} cannot take priorities: {error}; allowed: "
                "update_priorities(self, indices, td_errors)"
            ) from None


def check_stored(buffer: Any, name: str) -> None:
    """
    :param buffer: that was loaded
    :param name: of its file
    :raises Sb3ScaleError: if float32 does not hold a number in it, or its arrays are of another
        length
    """
    for what in ("observations", "next_observations", "actions", "rewards"):
        if isinstance(buffer, CompactReplayBuffer) and what.endswith("observations"):
            stored: Any = buffer.numbers(what)
        else:
            found = getattr(buffer, what, {})
            stored = found if isinstance(found, dict) else {"": found}
            for array in stored.values():
                if array.shape[:2] != (buffer.buffer_size, buffer.n_envs):
                    raise Sb3ScaleError(
                        f"replay buffer '{name}' is damaged: its {what} have shape {array.shape}"
                    )
        for key, array in stored.items():
            for start in range(0, len(array), ROWS):
                chunk = array[start : start + ROWS]
                if not all_finite(chunk):
                    (row, *_), value = first_wrong(chunk)
                    of = f"{what}['{key}']" if key else what
                    raise Sb3ScaleError(
                        f"replay buffer '{name}' would poison the training: {value} is in row "
                        f"{start + row} of its {of}; allowed: finite numbers"
                    )


def check_layout(model: Any) -> None:
    """
    :param model: with its environments
    :raises Sb3ScaleError: if what ``VecNormalize`` gives as original observations has another
        layout than what the replay buffer stores
    """
    normalize = model.get_vec_normalize_env()
    if normalize is None:
        return
    below, ours = (
        get_obs_shape(each) for each in (normalize.observation_space, model.env.observation_space)
    )
    if below != ours:
        raise Sb3ScaleError(
            f"observations have shape {below} in VecNormalize and {ours} in the algorithm, and the "
            "replay buffer stores them as VecNormalize has them; allowed: VecNormalize around "
            "what changes the shape, for instance VecNormalize(VecTransposeImage(env))"
        )


def check_buffer_and_loss(model: Any) -> None:
    """
    :param model: with its policy
    :raises Sb3ScaleError: if its loss compares Q with returns that the buffer's do not match
    """
    n_steps = max(model.n_steps, getattr(model.replay_buffer, "n_steps", 1))
    if model.policy.loss.calibrated and model.training.objective.backup_entropy and n_steps > 1:
        raise Sb3ScaleError(
            f"n_steps is {n_steps}, and loss {shown(model.policy.parts['loss'])} compares Q with "
            "returns that have the entropy of each step; allowed: 1, or backup_entropy: false"
        )
