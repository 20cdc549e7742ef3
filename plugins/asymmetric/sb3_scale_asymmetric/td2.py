"""TD2 and DDPG: TD3 without what it adds."""

from dataclasses import dataclass
from typing import Any, ClassVar

import stable_baselines3
import torch as th
from stable_baselines3.common.policies import BasePolicy

from sb3_scale.algorithms import TD3, Options, is_scale_policy
from sb3_scale.errors import Sb3ScaleError, shown
from sb3_scale.parts import parameters, spec_of


class TD2(TD3):
    """
    DDPG with twin critics: TD3 without target policy smoothing and without delay.

    Source: Hui, 2022, section 3.2. Arguments are those of :class:`sb3_scale.TD3`, but for
    ``policy_delay``, ``target_policy_noise`` and ``target_noise_clip``, which are 1, 0 and without
    effect. Hui explores with ``NormalActionNoise`` of standard deviation 0.2.
    """

    fixed: ClassVar[dict[str, Any]] = {
        "policy_delay": 1,
        "target_policy_noise": 0.0,
        "target_noise_clip": 0.5,
    }
    log_name: ClassVar[str] = "TD2"


@dataclass(frozen=True)
class DDPGOptions(Options):
    """
    Of DDPG, whose class in Stable-Baselines3 leaves it out.

    :param stats_window_size: episodes that the mean return and length in the log are over
    """

    stats_window_size: int = 100


class DDPG(TD2, stable_baselines3.DDPG):
    """
    TD2 with one critic: deep deterministic policy gradient (Lillicrap et al., 2016, algorithm 1).

    A ``stable_baselines3.DDPG`` that also trains a ``ScalePolicy``. Arguments are those of
    :class:`TD2`.
    """

    options: ClassVar[type[Options]] = DDPGOptions
    fixed: ClassVar[dict[str, Any]] = {}

    stats_window_size: int

    def check_arguments(
        self,
        policy: str | type[BasePolicy],
        policy_kwargs: dict[str, Any] | None,
        device: th.device | str,
    ) -> dict[str, Any] | None:
        """
        Check what can be checked before anything is made.

        :param policy: the policy class or its name
        :param policy_kwargs: its arguments
        :param device: the device that was asked for
        :return: the arguments, of ScalePolicy with one critic where they do not say how many
        :raises Sb3ScaleError: if an argument cannot be used
        """
        checked = super().check_arguments(policy, policy_kwargs, device)
        if checked is None or not is_scale_policy(policy):
            return checked
        _check_one_critic(checked.get("n_critics", 1))
        critic = checked.get("critic", "ensemble")
        if "n_critics" in parameters(spec_of("critic", critic)):
            named = {"name": critic} if isinstance(critic, str) else critic
            checked["critic"] = {"n_critics": 1, **named}
        return checked

    def _setup_model(self) -> None:
        if not self.scaled:
            super()._setup_model()
            return
        self._stats_window_size = self.stats_window_size
        # The library's constructor adds it for its own policy.
        self.policy_kwargs.pop("n_critics", None)
        super()._setup_model()
        _check_one_critic(getattr(self.policy.critic, "n_critics", 1))


def _check_one_critic(n_critics: Any) -> None:
    if n_critics != 1:
        raise Sb3ScaleError(
            f"n_critics is {shown(n_critics)}, and DDPG has one critic; allowed: 1, or --algo td2"
        )
