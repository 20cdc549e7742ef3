"""TD2 and DDPG: TD3 without what it adds."""

from typing import Any

import torch as th
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.td3.policies import TD3Policy

from sb3_scale.algorithms import TD3
from sb3_scale.algorithms.checks import is_scale_policy
from sb3_scale.algorithms.schedules import LearningRate
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.parts import parameters, spec_of
from sb3_scale.policies import ScalePolicy


class TD2(TD3):
    """
    DDPG with twin critics: TD3 without target policy smoothing and without delay.

    Source: Hui, 2022, section 3.2. Arguments are those of :class:`sb3_scale.TD3`, but for
    ``policy_delay``, ``target_policy_noise`` and ``target_noise_clip``, which are 1, 0 and without
    effect. Hui explores with ``NormalActionNoise`` of standard deviation 0.2.

    :param policy: ``"ScalePolicy"`` or a policy of Stable-Baselines3
    :param env: the environment, or its id
    :param learning_rate: of all parts that have none of their own
    :param actor_learning_rate: of the actor; a number, ``"lin_3e-4"``, ``"cos_3e-4_3e-5"`` or a
        schedule
    :param critic_learning_rate: of critic and of an extractor that does not learn apart
    :param max_grad_norm: norm that the gradients of actor and of critic are clipped to
    :param compile: whether ``torch.compile`` makes one program of each loss and its gradients
    :param autocast: whether the matrix products of both losses round what they multiply to
        bfloat16 (``torch.autocast``); all else stays float32
    :param capture: whether all gradient steps of a ``train`` call become one CUDA graph
    :param acting_device: where a copy of extractor and actor chooses the actions in training, for
        instance ``"cpu"`` with the networks on a GPU; nothing for the networks themselves
    :param overlap: whether the gradient steps of a ``train`` call run while the environments, in a
        ``SubprocVecEnv`` or from EnvPool, take their next step; its action comes from the actor
        before these gradient steps
    """

    def __init__(
        self,
        policy: str | type[TD3Policy] | type[ScalePolicy],
        env: GymEnv | str,
        learning_rate: float | Schedule = 1e-3,
        buffer_size: int = 1_000_000,
        learning_starts: int = 100,
        batch_size: int = 256,
        tau: float = 0.005,
        gamma: float = 0.99,
        train_freq: int | tuple[int, str] = 1,
        gradient_steps: int = 1,
        action_noise: ActionNoise | None = None,
        replay_buffer_class: type[ReplayBuffer] | str | None = None,
        replay_buffer_kwargs: dict[str, Any] | None = None,
        optimize_memory_usage: bool = False,
        n_steps: int = 1,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: th.device | str = "auto",
        _init_setup_model: bool = True,
        actor_learning_rate: LearningRate = None,
        critic_learning_rate: LearningRate = None,
        max_grad_norm: float | None = None,
        compile: bool = False,
        autocast: bool = False,
        capture: bool = False,
        acting_device: str | None = None,
        overlap: bool = False,
    ) -> None:
        super().__init__(
            policy,
            env,
            learning_rate,
            buffer_size,
            learning_starts,
            batch_size,
            tau,
            gamma,
            train_freq,
            gradient_steps,
            action_noise,
            replay_buffer_class,
            replay_buffer_kwargs,
            optimize_memory_usage,
            n_steps,
            policy_delay=1,
            target_policy_noise=0.0,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            policy_kwargs=policy_kwargs,
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=_init_setup_model,
            actor_learning_rate=actor_learning_rate,
            critic_learning_rate=critic_learning_rate,
            max_grad_norm=max_grad_norm,
            compile=compile,
            autocast=autocast,
            capture=capture,
            acting_device=acting_device,
            overlap=overlap,
        )


class DDPG(TD2):
    """
    TD2 with one critic: deep deterministic policy gradient (Lillicrap et al., 2016, algorithm 1).

    Arguments are those of :class:`TD2`. With a policy of Stable-Baselines3 it trains as
    ``stable_baselines3.DDPG`` does.
    """

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
        :return: the arguments, with one critic where they do not say how many
        :raises Sb3ScaleError: if an argument cannot be used
        """
        checked = super().check_arguments(policy, policy_kwargs, device) or {}
        if not is_scale_policy(policy):
            return {"n_critics": 1, **checked}
        critic = checked.get("critic", "ensemble")
        if "n_critics" in parameters(spec_of("critic", critic)):
            named = {"name": critic} if isinstance(critic, str) else critic
            checked["critic"] = {"n_critics": 1, **named}
        return checked

    def _setup_model(self) -> None:
        super()._setup_model()
        n_critics = getattr(self.policy.critic, "n_critics", 1)
        if n_critics != 1:
            raise Sb3ScaleError(
                f"n_critics is {n_critics}, and DDPG has one critic; allowed: 1, or --algo td2"
            )
