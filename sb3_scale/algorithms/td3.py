"""Twin delayed deep deterministic policy gradient."""

from typing import Any, ClassVar

import stable_baselines3
from stable_baselines3.common.policies import BasePolicy

from sb3_scale.algorithms.base import ScaleAlgorithm
from sb3_scale.learning.deterministic import DeterministicObjective
from sb3_scale.policies import ScalePolicy


class TD3(ScaleAlgorithm, stable_baselines3.TD3):
    """
    A ``stable_baselines3.TD3`` that also trains a ``ScalePolicy``.

    With a stock policy it runs the code of Stable-Baselines3. The equations are those of
    :mod:`sb3_scale.learning.deterministic`. Arguments that are not listed here are those of
    ``stable_baselines3.TD3``; those listed, but for ``policy_delay``, need ``ScalePolicy``.
    ``policy_delay=1, target_policy_noise=0`` is TD2, with one critic it is DDPG.

    :param policy: ``"ScalePolicy"`` or a policy of Stable-Baselines3
    :param env: the environment, or its id
    :param learning_rate: of all parts that have none of their own
    :param policy_delay: gradient steps of the critic for one of the actor and of the targets
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        **stable_baselines3.TD3.policy_aliases,
        "ScalePolicy": ScalePolicy,
    }
    stochastic_actor = False
    target_interval = "policy_delay"
    default_parts: ClassVar[dict[str, Any]] = {"actor": "deterministic"}

    # Set by the algorithm of Stable-Baselines3.
    target_policy_noise: float
    target_noise_clip: float

    def make_objective(self) -> DeterministicObjective:
        """
        :return: the value of the actor's action
        """
        objective = DeterministicObjective(self.target_policy_noise, self.target_noise_clip)
        return objective.to(self.device)
