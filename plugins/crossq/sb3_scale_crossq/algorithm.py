"""CrossQ."""

from dataclasses import dataclass
from typing import Any, ClassVar

import sb3_contrib
from stable_baselines3.common.policies import BasePolicy

from sb3_scale.algorithms import Options, SoftAlgorithm, SoftOptions
from sb3_scale.policies import ScalePolicy


def _network(width: int) -> dict[str, Any]:
    return {
        "name": "mlp",
        "width": width,
        "depth": 2,
        "norm": {"name": "batch-renorm", "unbiased": True},
        "norm_placement": "post-activation",
        "norm_input": True,
    }


def _parts(actor: str, critic: str) -> dict[str, Any]:
    return {
        "actor": {"name": actor, "network": _network(256)},
        "critic": {
            "name": critic,
            "network": _network(1024),
            "target": False,
            "joint_batch": True,
        },
        "optimizer": {"name": "adam", "betas": [0.5, 0.999]},
    }


@dataclass(frozen=True)
class CrossQOptions(SoftOptions):
    """
    Of CrossQ.

    :param tau: share of the critic in its target at each target update, where the critic keeps a
        target
    :param target_update_interval: gradient steps from one target update to the next, where the
        critic keeps a target
    """

    tau: float = 0.005
    target_update_interval: int = 1


class CrossQ(SoftAlgorithm, sb3_contrib.CrossQ):  # type: ignore[misc]
    """
    A ``sb3_contrib.CrossQ`` that also trains a ``ScalePolicy``.

    With a stock policy it runs the code of sb3-contrib. With ``ScalePolicy`` the actor, critic and
    optimiser that are not given are those of sb3-contrib: batch renormalisation in front of each
    linear layer, one joint pass for ``[s, a ; s', a']``, no target network. The losses are those of
    :mod:`sb3_scale.learning.soft`. Source: Bhatt et al., "CrossQ: Batch Normalization in Deep
    Reinforcement Learning for Greater Sample Efficiency and Simplicity", ICLR 2024, section 3.
    Arguments that are not listed here are those of ``sb3_contrib.CrossQ``; those listed, but for
    ``policy_delay``, need ``ScalePolicy``.

    :param policy: ``"ScalePolicy"`` or a policy of sb3-contrib
    :param env: the environment, or its id
    :param learning_rate: of all parts that have none of their own
    :param target_entropy: ``"auto"`` for -|A|, ``"auto_0.5"`` for half of it, or a number
    :param policy_delay: gradient steps of the critic for one of actor and temperature
    """

    options: ClassVar[type[Options]] = CrossQOptions
    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        **sb3_contrib.CrossQ.policy_aliases,
        "ScalePolicy": ScalePolicy,
    }
    # What sb3-contrib sets and its checkpoints hold: there are no targets.
    stock_defaults: ClassVar[dict[str, Any]] = {"tau": 1.0}
    default_parts: ClassVar[dict[str, Any]] = _parts("squashed-gaussian", "ensemble")
    discrete_parts: ClassVar[dict[str, Any]] = _parts("categorical", "discrete-ensemble")
