"""Soft actor-critic."""

from typing import Any, ClassVar

import stable_baselines3
import torch as th
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.sac.policies import SACPolicy

from sb3_scale.algorithms.entropy import EntropyRegularized
from sb3_scale.algorithms.schedules import LearningRate
from sb3_scale.policies import ScalePolicy


class SAC(EntropyRegularized, stable_baselines3.SAC):
    """
    A ``stable_baselines3.SAC`` that also trains a ``ScalePolicy``.

    With a stock policy it runs the code of Stable-Baselines3. The equations are those of
    :class:`sb3_scale.algorithms.entropy.EntropyRegularized`. Arguments that are not listed here are
    those of ``stable_baselines3.SAC``; those listed need ``ScalePolicy``.

    :param policy: ``"ScalePolicy"`` or a policy of Stable-Baselines3
    :param env: the environment, or its id
    :param learning_rate: of all parts that have none of their own
    :param target_entropy: ``"auto"`` for -|A|, ``"auto_0.5"`` for half of it, or a number
    :param target_update_interval: gradient steps from one target update to the next, counted over
        the whole training (Stable-Baselines3 counts anew in each ``train`` call)
    :param policy_delay: gradient steps of the critic for one of actor and temperature
    :param backup_entropy: whether the entropy term is part of the bootstrap target; without it
        this is SACLite
    :param actor_learning_rate: of the actor; a number, ``"lin_3e-4"``, ``"cos_3e-4_3e-5"`` or a
        schedule
    :param critic_learning_rate: of critic and of an extractor that does not learn apart
    :param ent_coef_learning_rate: of the temperature
    :param ent_coef_optimizer_kwargs: of the temperature's Adam, for instance
        ``{"betas": [0.5, 0.999]}``
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

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        **stable_baselines3.SAC.policy_aliases,
        "ScalePolicy": ScalePolicy,
    }
    own_arguments: ClassVar[dict[str, Any]] = {
        **EntropyRegularized.own_arguments,
        "policy_delay": 1,
    }
    policy: ScalePolicy  # type: ignore[assignment]

    def __init__(
        self,
        policy: str | type[SACPolicy] | type[ScalePolicy],
        env: GymEnv | str,
        learning_rate: float | Schedule = 3e-4,
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
        ent_coef: str | float = "auto",
        target_update_interval: int = 1,
        target_entropy: str | float = "auto",
        use_sde: bool = False,
        sde_sample_freq: int = -1,
        use_sde_at_warmup: bool = False,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: th.device | str = "auto",
        _init_setup_model: bool = True,
        policy_delay: int = 1,
        backup_entropy: bool = True,
        actor_learning_rate: LearningRate = None,
        critic_learning_rate: LearningRate = None,
        ent_coef_learning_rate: LearningRate = None,
        ent_coef_optimizer_kwargs: dict[str, Any] | None = None,
        max_grad_norm: float | None = None,
        compile: bool = False,
        autocast: bool = False,
        capture: bool = False,
        acting_device: str | None = None,
        overlap: bool = False,
    ) -> None:
        policy_kwargs = self.check_arguments(policy, policy_kwargs, device)
        super().__init__(
            policy,  # type: ignore[arg-type]
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
            replay_buffer_class,  # type: ignore[arg-type]
            replay_buffer_kwargs,
            optimize_memory_usage,
            n_steps,
            ent_coef,
            target_update_interval,
            target_entropy,
            use_sde,
            sde_sample_freq,
            use_sde_at_warmup,
            stats_window_size,
            tensorboard_log,
            policy_kwargs,
            verbose,
            seed,
            device,
            _init_setup_model=False,
        )
        self.policy_delay = policy_delay
        self.backup_entropy = backup_entropy
        self.actor_learning_rate = actor_learning_rate
        self.critic_learning_rate = critic_learning_rate
        self.ent_coef_learning_rate = ent_coef_learning_rate
        self.ent_coef_optimizer_kwargs = ent_coef_optimizer_kwargs
        self.max_grad_norm = max_grad_norm
        self.compile = compile
        self.autocast = autocast
        self.capture = capture
        self.acting_device = acting_device
        self.overlap = overlap
        if _init_setup_model:
            self._setup_model()

    def targets_due(self) -> bool:
        """
        :return: whether this update moves the target networks
        """
        return self._n_updates % self.target_update_interval == 0
