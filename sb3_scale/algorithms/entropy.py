"""What SAC and CrossQ share: a stochastic actor whose entropy is part of the return."""

from typing import Any, ClassVar

import numpy as np
import torch as th
from gymnasium import spaces

from sb3_scale.algorithms.batch import Batch
from sb3_scale.algorithms.gradients import Figures
from sb3_scale.algorithms.lifecycle import Lifecycle
from sb3_scale.algorithms.metrics import Metrics
from sb3_scale.algorithms.schedules import LearningRate
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.policies import ScalePolicy


class EntropyRegularized(Lifecycle):
    """
    The losses of soft actor-critic.

    Source of the equations: Haarnoja et al., "Soft Actor-Critic Algorithms and Applications", 2018,
    sections 4 and 5.
    """

    stochastic_actor = True
    own_arguments: ClassVar[dict[str, Any]] = {
        **Lifecycle.own_arguments,
        "backup_entropy": True,
        "ent_coef_learning_rate": None,
        "ent_coef_optimizer_kwargs": None,
    }

    # Set by the algorithm of Stable-Baselines3 or sb3-contrib.
    log_ent_coef: th.Tensor | None
    ent_coef_tensor: th.Tensor
    ent_coef_optimizer: th.optim.Adam | None
    target_entropy: str | float

    backup_entropy: bool
    ent_coef_learning_rate: LearningRate
    ent_coef_optimizer_kwargs: dict[str, Any] | None

    def _setup_model(self) -> None:
        if not issubclass(self.policy_class, ScalePolicy):
            super()._setup_model()
            return
        self.target_entropy = _target_entropy(self.target_entropy, self.action_space)
        super()._setup_model()
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

    def actor_loss(self, batch: Batch, figures: Figures) -> th.Tensor:
        """
        Equation 7: ``alpha log pi(a | s) - reduce_i Q_i(s, a)``.

        :param batch: the batch
        :param figures: where to put the temperature
        :return: a scalar
        """
        critic = self.policy.critic
        actions, log_prob = self.policy.actor.action_log_prob(batch.features, training=True)
        values = critic.reduce(critic.value(self.policy.critic_outputs(batch.features, actions)))
        ent_coef = self.ent_coef_value()
        figures["ent_coef"] = ent_coef.reshape(())
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
        metrics.update({"ent_coef_loss": loss})
        self.ent_coef_optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.ent_coef_optimizer.step()


def _target_entropy(given: str | float, action_space: spaces.Space[Any]) -> str | float:
    """Read ``auto_0.5``, which Stable-Baselines3 does not know."""
    if given == "auto":
        return given
    try:
        if isinstance(given, str) and given.startswith("auto_"):
            assert action_space.shape is not None
            return -float(given.removeprefix("auto_")) * float(np.prod(action_space.shape))
        return float(given)
    except (TypeError, ValueError):
        raise Sb3ScaleError(
            f"target_entropy is {given!r}; allowed: 'auto' for -|A|, 'auto_0.5' for half of it, or "
            "a number"
        ) from None
