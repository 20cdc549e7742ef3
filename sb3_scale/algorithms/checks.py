"""What can be wrong with the arguments of an algorithm with a ScalePolicy."""

import inspect
from collections.abc import Mapping
from typing import Any

from gymnasium.wrappers import NormalizeReward
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.preprocessing import get_action_dim, get_obs_shape
from stable_baselines3.common.vec_env import VecEnv

from sb3_scale.algorithms.goals import HINDSIGHT
from sb3_scale.errors import Sb3ScaleError, check_key, shown
from sb3_scale.nn.norms import batch_norms
from sb3_scale.notices import notice
from sb3_scale.policies import ScalePolicy
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.replay.finite import all_finite, first_wrong
from sb3_scale.replay.one_step import gives_single_steps
from sb3_scale.replay.weighted import has_priorities

ROWS = 1 << 14
"""Of a replay buffer that are looked at together."""


def is_scale_policy(policy: str | type[BasePolicy]) -> bool:
    """
    :param policy: the policy class or its name
    :return: whether it is ours
    """
    if isinstance(policy, type):
        return issubclass(policy, ScalePolicy)
    return isinstance(policy, str) and policy == "ScalePolicy"


def check_actor(owner: str, policy: ScalePolicy, stochastic: bool) -> None:
    """
    :param owner: of the policy, for the message
    :param policy: the policy
    :param stochastic: which kind of actor the owner needs
    :raises Sb3ScaleError: if the policy's is of the other kind
    """
    if policy.actor.stochastic != stochastic:
        wanted = "squashed-gaussian" if stochastic else "deterministic"
        kind = "stochastic" if stochastic else "deterministic"
        raise Sb3ScaleError(
            f"{owner} needs a {kind} actor, and the actor is {shown(policy.parts['actor'])}; "
            f"did you mean '{wanted}'?"
        )
    if stochastic and not callable(getattr(policy.actor, "action_log_prob", None)):
        raise Sb3ScaleError(
            f"actor {shown(policy.parts['actor'])} has no method 'action_log_prob'; allowed: "
            "actors that have it, or whose 'stochastic' is False, beside an algorithm such as td3"
        )


def check_stock_kwargs(
    aliases: Mapping[str, type[BasePolicy]],
    policy: str | type[BasePolicy],
    policy_kwargs: Mapping[str, Any],
) -> None:
    """
    :param aliases: names of policy classes
    :param policy: of Stable-Baselines3, or its name
    :param policy_kwargs: its arguments
    :raises Sb3ScaleError: if one is an argument of ScalePolicy that it does not know
    """
    found = aliases.get(policy) if isinstance(policy, str) else policy
    if found is None:
        return
    theirs, ours = (inspect.signature(each).parameters for each in (found, ScalePolicy))
    for name, value in policy_kwargs.items():
        # Stable-Baselines3 itself adds use_sde to the mapping.
        if name in ours and name not in theirs and name != "use_sde":
            raise Sb3ScaleError(
                f"policy_kwargs: {name} is {shown(value)}, and {found.__name__} does not know it; "
                "allowed with policy: ScalePolicy"
            )
        if not any(each.kind is inspect.Parameter.VAR_KEYWORD for each in theirs.values()):
            names = theirs.keys() - {"observation_space", "action_space", "lr_schedule"}
            check_key(
                f"policy_kwargs: {found.__name__} has no argument", name, value, {*names, "use_sde"}
            )


def check_stock_policy(model: OffPolicyAlgorithm, own_arguments: Mapping[str, Any]) -> None:
    """
    :param model: with a policy of Stable-Baselines3
    :param own_arguments: that stock policies do not know, with their defaults
    :raises Sb3ScaleError: if one of them, or priorities of the replay buffer, would be ignored
    """
    policy = model.policy_class.__name__
    if has_priorities(model.replay_buffer_class):
        raise Sb3ScaleError(_no_priorities(model))
    for name, default in own_arguments.items():
        value = getattr(model, name)
        if type(value) is not type(default) or value != default:
            raise Sb3ScaleError(
                f"{name} is {shown(value)}, and {policy} does not know it; allowed with policy: "
                "ScalePolicy"
            )


def _no_priorities(model: Any) -> str:
    return (
        f"replay_buffer_class gives priorities, and {model.policy_class.__name__} does not know "
        "them; allowed with policy: ScalePolicy"
    )


def check_batch_size(batch_size: int, policy: ScalePolicy) -> None:
    """
    :param batch_size: transitions per gradient step
    :param policy: the policy
    :raises Sb3ScaleError: if a norm of the policy needs more
    """
    norms = batch_norms(policy)
    if batch_size < 2 and norms:
        raise Sb3ScaleError(
            f"batch_size is {batch_size}, and {type(norms[0]).__name__} needs the statistics of a "
            "batch; allowed: at least 2"
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
            raise Sb3ScaleError(_no_priorities(model))
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


def check_number_of_envs(model: Any, env: Any) -> None:
    """
    :param model: the algorithm
    :param env: that is about to be set
    :raises Sb3ScaleError: if it has another number of environments than the algorithm
    """
    found = env.num_envs if isinstance(env, VecEnv) else 1
    if found != model.n_envs:
        raise Sb3ScaleError(
            f"env has {found} environments, and the algorithm and its replay buffer have "
            f"{model.n_envs}; allowed: the same number, or {type(model).__name__}.load(path, env)"
        )


def check_transforms(model: Any) -> None:
    """
    :param model: with its policy and its environments
    :raises Sb3ScaleError: if rewards would be scaled twice
    """
    named = zip(model.policy.transforms, model.policy.parts["transforms"] or (), strict=True)
    scaling = [shown(part) for transform, part in named if transform.scales_rewards]
    if not scaling:
        return
    if len(scaling) > 1:
        raise Sb3ScaleError(
            f"transforms {scaling[0]} and {scaling[1]} both scale rewards; allowed: one of them"
        )
    normalize = model.get_vec_normalize_env()
    if normalize is not None and normalize.norm_reward:
        raise Sb3ScaleError(
            f"transform {scaling[0]} scales rewards, and VecNormalize has norm_reward: true; "
            "allowed: one of them, for instance normalize: {norm_reward: false}"
        )
    # Environments that collectors make are not there to be asked.
    if model.env is not None and any(model.env.env_is_wrapped(NormalizeReward)):
        raise Sb3ScaleError(
            f"transform {scaling[0]} scales rewards, and NormalizeReward around the environment "
            "does too; allowed: one of them"
        )


def tell_of_statistics(model: Any) -> None:
    """
    Say so where networks that learned from normalised observations are to get others.

    :param model: with the environments that it goes on in, which are remembered
    """
    if model.env is None:
        return
    normalize = model.get_vec_normalize_env()
    normalized = normalize is not None and normalize.norm_obs
    if model.saw_normalized and not normalized:
        notice(
            "the algorithm learned from observations that VecNormalize had normalised, and these "
            "environments give them as they are; VecNormalize.load(path, env) brings the "
            "statistics back"
        )
    elif model.saw_normalized and model.num_timesteps > 0 and _counts_nothing(normalize):
        notice(
            "the algorithm learned from observations that VecNormalize had normalised, and the "
            "statistics of these environments are new; VecNormalize.load(path, env) brings those "
            "of the training back"
        )
    model.saw_normalized = normalized


def _counts_nothing(normalize: Any) -> bool:
    """Whether its statistics have not seen an observation."""
    found = normalize.obs_rms
    return any(each.count < 1 for each in (found.values() if isinstance(found, dict) else [found]))


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
