"""Soft actor-critic."""

from typing import Any, ClassVar

import stable_baselines3
import torch as th
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.sac.policies import SACPolicy

from sb3_scale.algorithms.lifecycle import LearningRate, Lifecycle
from sb3_scale.algorithms.metrics import Metrics
from sb3_scale.algorithms.update import Batch
from sb3_scale.policies import ScalePolicy


class SAC(Lifecycle, stable_baselines3.SAC):
    """
    A ``stable_baselines3.SAC`` that also trains a ``ScalePolicy``.

    With a stock policy it runs the code of Stable-Baselines3. Source of the equations: Haarnoja et
    al., "Soft Actor-Critic Algorithms and Applications", 2018, sections 4 and 5. Arguments that are
    not listed here are those of ``stable_baselines3.SAC``; those listed need ``ScalePolicy``.

    :param policy: ``"ScalePolicy"`` or a policy of Stable-Baselines3
    :param env: the environment, or its id
    :param learning_rate: of all parts that have none of their own
    :param target_update_interval: gradient steps from one target update to the next, counted over
        the whole training (Stable-Baselines3 counts anew in each ``train`` call)
    :param policy_delay: gradient steps of the critic for one of actor and temperature
    :param backup_entropy: whether the entropy term is part of the bootstrap target; without it
        this is SACLite
    :param actor_learning_rate: of the actor; a number, ``"lin_3e-4"`` or a schedule
    :param critic_learning_rate: of critic and extractor
    :param ent_coef_learning_rate: of the temperature
    :param ent_coef_optimizer_kwargs: of the temperature's Adam, for instance
        ``{"betas": [0.5, 0.999]}``
    :param max_grad_norm: norm that the gradients of actor and of critic are clipped to
    """

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        **stable_baselines3.SAC.policy_aliases,
        "ScalePolicy": ScalePolicy,
    }
    stochastic_actor = True
    own_arguments: ClassVar[dict[str, Any]] = {
        "policy_delay": 1,
        "backup_entropy": True,
        "actor_learning_rate": None,
        "critic_learning_rate": None,
        "ent_coef_learning_rate": None,
        "ent_coef_optimizer_kwargs": None,
        "max_grad_norm": None,
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
        replay_buffer_class: type[ReplayBuffer] | None = None,
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
            replay_buffer_class,
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
        if _init_setup_model:
            self._setup_model()

    def _setup_model(self) -> None:
        super()._setup_model()
        if not issubclass(self.policy_class, ScalePolicy):
            return
        self.add_schedule("ent_coef", self.ent_coef_learning_rate)
        if self.log_ent_coef is not None:
            kwargs = self.ent_coef_optimizer_kwargs or {}
            # Fused, since the plain implementation reads its step counter on the host.
            self.ent_coef_optimizer = th.optim.Adam(
                [self.log_ent_coef], lr=self.lr_schedule(1), fused=True, **kwargs
            )

    def ent_coef_value(self) -> th.Tensor:
        """
        :return: the temperature alpha, without gradient, shape ``(1,)`` or ``()``
        """
        if self.log_ent_coef is None:
            return self.ent_coef_tensor
        return self.log_ent_coef.detach().exp()

    def next_actions(self, batch: Batch) -> tuple[th.Tensor, th.Tensor | None]:
        """
        Sample ``a' ~ pi(s')``; equation 3 of the paper subtracts ``alpha log pi(a' | s')``.

        :param batch: the batch
        :return: actions ``(b, action_dim)`` and the entropy term ``(b, 1)``, if it is backed up
        """
        features = self.policy.features(batch.next_observations)
        actions, log_prob = self.policy.actor.action_log_prob(features)
        return actions, self.ent_coef_value() * log_prob if self.backup_entropy else None

    def critic_loss(self, outputs: th.Tensor, target: th.Tensor) -> th.Tensor:
        """
        Equation 5: half of the squared Bellman error.

        :param outputs: of the critic, ``(n_critics, b, n_outputs)``
        :param target: ``(b, n_outputs)`` or ``(n_critics, b, n_outputs)``
        :return: a scalar
        """
        return 0.5 * super().critic_loss(outputs, target)

    def actor_loss(self, batch: Batch, metrics: Metrics) -> th.Tensor:
        """
        Equation 7: ``alpha log pi(a | s) - reduce_i Q_i(s, a)``.

        :param batch: the batch
        :param metrics: where to add the temperature
        :return: a scalar
        """
        critic = self.policy.critic
        actions, log_prob = self.policy.actor.action_log_prob(batch.features, training=True)
        values = critic.reduce(critic.value(critic(batch.features, actions)))
        ent_coef = self.ent_coef_value()
        metrics.add("ent_coef", ent_coef.reshape(()))
        batch.log_prob = log_prob.detach()
        loss: th.Tensor = (ent_coef * log_prob - values).mean()
        return loss

    def after_actor(self, batch: Batch, metrics: Metrics) -> None:
        """
        Equation 18, on log alpha as Stable-Baselines3 has it.

        :param batch: the batch, after the actor's loss
        :param metrics: where to add the loss
        """
        if self.ent_coef_optimizer is None or self.log_ent_coef is None:
            return
        assert batch.log_prob is not None
        loss = -(self.log_ent_coef * (batch.log_prob + float(self.target_entropy))).mean()
        metrics.add("ent_coef_loss", loss)
        self.ent_coef_optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.ent_coef_optimizer.step()

    def targets_due(self) -> bool:
        """
        :return: whether this update moves the target networks
        """
        return self._n_updates % self.target_update_interval == 0
