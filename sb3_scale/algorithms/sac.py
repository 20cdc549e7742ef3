"""Soft actor-critic."""

from dataclasses import dataclass
from typing import ClassVar

import stable_baselines3
from stable_baselines3.common.policies import BasePolicy

from sb3_scale.algorithms.options import Options, SoftOptions
from sb3_scale.algorithms.soft import SoftAlgorithm
from sb3_scale.policies import ScalePolicy


@dataclass(frozen=True)
class SACOptions(SoftOptions):
    """
    Of SAC.

    :param policy_delay: gradient steps of the critic for one of actor and temperature
    """

    policy_delay: int = 1


class SAC(SoftAlgorithm, stable_baselines3.SAC):
    """
    A ``stable_baselines3.SAC`` that also trains a ``ScalePolicy``.

    With a stock policy it runs the code of Stable-Baselines3. The equations are those of
    :mod:`sb3_scale.learning.soft`. Arguments that are not listed here are those of
    ``stable_baselines3.SAC``; those listed need ``ScalePolicy``.

    :param policy: ``"ScalePolicy"`` or a policy of Stable-Baselines3
    :param env: the environment, or its id
    :param learning_rate: of all parts that have none of their own
    :param target_entropy: ``"auto"`` for -|A|, ``"auto_0.5"`` for half of it, or a number
    :param target_update_interval: gradient steps from one target update to the next, counted over
        the whole training (Stable-Baselines3 counts anew in each ``train`` call)
    """

    options: ClassVar[type[Options]] = SACOptions
    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        **stable_baselines3.SAC.policy_aliases,
        "ScalePolicy": ScalePolicy,
    }
