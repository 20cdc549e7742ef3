"""What can be wrong with the arguments of an algorithm with a ScalePolicy."""

import inspect
from collections.abc import Mapping
from typing import Any

from gymnasium.wrappers import NormalizeReward
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.vec_env import VecEnv

from sb3_scale.algorithms.buffer_checks import no_priorities
from sb3_scale.errors import Sb3ScaleError, check_key, shown
from sb3_scale.nn.norms import batch_norms
from sb3_scale.notices import notice
from sb3_scale.policies import ScalePolicy
from sb3_scale.replay.weighted import has_priorities


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
    if has_priorities(model.replay_buffer_class):
        raise Sb3ScaleError(no_priorities(model))
    check_known_to_stock(model.policy_class.__name__, vars(model), own_arguments)


def check_known_to_stock(
    policy: str, arguments: Mapping[str, Any], own_arguments: Mapping[str, Any]
) -> None:
    """
    :param policy: name of a policy of Stable-Baselines3
    :param arguments: of the algorithm, by name
    :param own_arguments: that stock policies do not know, with their defaults
    :raises Sb3ScaleError: if one of them would be ignored
    """
    for name, default in own_arguments.items():
        value = arguments.get(name, default)
        if type(value) is not type(default) or value != default:
            raise Sb3ScaleError(
                f"{name} is {shown(value)}, and {policy} does not know it; allowed with policy: "
                "ScalePolicy"
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
