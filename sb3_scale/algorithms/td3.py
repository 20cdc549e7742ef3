"""Twin delayed deep deterministic policy gradient."""

from typing import Any, ClassVar

import stable_baselines3
import torch as th
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.noise import ActionNoise
from stable_baselines3.common.policies import BasePolicy
from stable_baselines3.common.type_aliases import GymEnv, Schedule
from stable_baselines3.td3.policies import TD3Policy

from sb3_scale.algorithms.batch import Batch
from sb3_scale.algorithms.gradients import Figures
from sb3_scale.algorithms.lifecycle import Lifecycle
from sb3_scale.algorithms.schedules import LearningRate
from sb3_scale.policies import ScalePolicy


class TD3(Lifecycle, stable_baselines3.TD3):
    """
    A ``stable_baselines3.TD3`` that also trains a ``ScalePolicy``.

    With a stock policy it runs the code of Stable-Baselines3. Source of the equations: Fujimoto et
    al., "Addressing Function Approximation Error in Actor-Critic Methods", 2018, algorithm 1.
    Arguments that are not listed here are those of ``stable_baselines3.TD3``; those listed, but
    for ``policy_delay``, need ``ScalePolicy``. ``policy_delay=1, target_policy_noise=0`` is TD2,
    with one critic it is DDPG.

    :param policy: ``"ScalePolicy"`` or a policy of Stable-Baselines3
    :param env: the environment, or its id
    :param learning_rate: of all parts that have none of their own
    :param policy_delay: gradient steps of the critic for one of the actor and of the targets
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

    policy_aliases: ClassVar[dict[str, type[BasePolicy]]] = {
        **stable_baselines3.TD3.policy_aliases,
        "ScalePolicy": ScalePolicy,
    }
    stochastic_actor = False
    default_parts: ClassVar[dict[str, Any]] = {"actor": "deterministic"}
    policy: ScalePolicy  # type: ignore[assignment]

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
        policy_delay: int = 2,
        target_policy_noise: float = 0.2,
        target_noise_clip: float = 0.5,
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
            policy_delay,
            target_policy_noise,
            target_noise_clip,
            stats_window_size,
            tensorboard_log,
            policy_kwargs,
            verbose,
            seed,
            device,
            _init_setup_model=False,
        )
        self.actor_learning_rate = actor_learning_rate
        self.critic_learning_rate = critic_learning_rate
        self.max_grad_norm = max_grad_norm
        self.compile = compile
        self.autocast = autocast
        self.capture = capture
        self.acting_device = acting_device
        self.overlap = overlap
        if _init_setup_model:
            self._setup_model()

    def next_actions(self, batch: Batch) -> tuple[th.Tensor, th.Tensor | None]:
        """
        Target policy smoothing: ``clip(pi'(s') + clip(N(0, noise), -c, c), -1, 1)``.

        :param batch: the batch
        :return: actions ``(b, action_dim)``, and nothing to subtract
        """
        actions = self.policy.actor_target(batch.next_features)
        if self.target_policy_noise > 0:
            noise = th.empty_like(actions).normal_(0, self.target_policy_noise)
            noise = noise.clamp_(-self.target_noise_clip, self.target_noise_clip)
            actions = (actions + noise).clamp_(-1, 1)
        return actions, None

    def actor_loss(self, batch: Batch, figures: Figures) -> th.Tensor:
        """
        Deterministic policy gradient through the first critic.

        :param batch: the batch
        :param figures: without use
        :return: a scalar
        """
        actions = self.policy.actor(batch.features, training=True)
        outputs = self.policy.critic_outputs(batch.features, actions)
        values: th.Tensor = self.policy.critic.value(outputs)[0]
        return -values.mean()

    def targets_due(self) -> bool:
        """
        :return: whether this update moves the target networks
        """
        return self._n_updates % self.policy_delay == 0
