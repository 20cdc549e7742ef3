"""
The update that SAC and TD3 share, in the order of a batch's way through it.

replay batch -> features -> critic target -> critic loss -> step -> project
                              -> actor loss -> step -> project -> target sync -> metrics

Nothing here reads a tensor on the host; :meth:`SharedUpdate.train` does once, at its end.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch as th
from stable_baselines3.common.off_policy_algorithm import OffPolicyAlgorithm
from stable_baselines3.common.type_aliases import PyTorchObs
from torch import nn

from sb3_scale.algorithms.metrics import Metrics, check_finite
from sb3_scale.algorithms.products import fast_products
from sb3_scale.policies import ScalePolicy, synced_buffers


@dataclass
class Batch:
    """
    A replay batch on its way through one gradient step; ``b`` transitions.

    :param observations: ``s``, as the replay buffer gives them
    :param next_observations: ``s'``
    :param features: of ``s``, with a gradient where the extractor learns, ``(b, features_dim)``
    :param next_features: of ``s'`` by the target extractor, ``(b, features_dim)``
    :param actions: ``(b, action_dim)``
    :param rewards: ``(b, 1)``, n-step returns where the buffer makes them
    :param not_done: 0 where the episode terminated, else 1, ``(b, 1)``
    :param discounts: gamma to the power of the steps, ``(b, 1)`` or a number
    :param log_prob: of the actor's own action at ``s``, without gradient, once SAC's actor loss has
        sampled it, ``(b, 1)``
    """

    observations: PyTorchObs
    next_observations: PyTorchObs
    features: th.Tensor
    next_features: th.Tensor
    actions: th.Tensor
    rewards: th.Tensor
    not_done: th.Tensor
    discounts: th.Tensor | float
    log_prob: th.Tensor | None = None


class SharedUpdate(OffPolicyAlgorithm):
    """
    The gradient step. Subclasses say what the next action is, the actor's loss, and what is due.
    """

    policy: ScalePolicy
    policy_delay: int
    max_grad_norm: float | None

    def next_actions(self, batch: Batch) -> tuple[th.Tensor, th.Tensor | None]:
        """
        :param batch: the batch
        :return: actions at ``s'``, ``(b, action_dim)``, and what to subtract from their value,
            ``(b, 1)`` or nothing; without gradient
        """
        raise NotImplementedError

    def actor_loss(self, batch: Batch, metrics: Metrics) -> th.Tensor:
        """
        :param batch: the batch
        :param metrics: where to add figures
        :return: a scalar
        """
        raise NotImplementedError

    def critic_loss(self, outputs: th.Tensor, target: th.Tensor) -> th.Tensor:
        """
        :param outputs: of the critic, ``(n_critics, b, n_outputs)``
        :param target: ``(b, n_outputs)`` or ``(n_critics, b, n_outputs)``
        :return: a scalar
        """
        loss: th.Tensor = self.policy.loss(outputs, target)
        return loss

    def targets_due(self) -> bool:
        """
        :return: whether this update moves the target networks
        """
        raise NotImplementedError

    def after_actor(self, batch: Batch, metrics: Metrics) -> None:
        """
        Update what follows the actor, such as SAC's temperature.

        :param batch: the batch
        :param metrics: where to add figures
        """

    def train_exploration(self, batch: Batch, metrics: Metrics) -> None:
        """
        Train what only acts, where the actor is a :class:`sb3_scale.protocols.ExploringActor`.

        :param batch: the batch
        :param metrics: where to add the actor's figures
        """
        actor = self.policy.actor
        if hasattr(actor, "train_exploration"):
            optimize = partial(self.optimize, actor)
            figures = actor.train_exploration(batch.features, self.policy.critic, optimize)
            for name, value in figures.items():
                metrics.add(name, value)

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """
        Update the policy; a stock policy is left to the code of Stable-Baselines3.

        :param gradient_steps: number of batches
        :param batch_size: transitions per batch
        :raises Sb3ScaleError: if a loss is not finite; the last batch is saved for inspection
        """
        if not issubclass(self.policy_class, ScalePolicy):
            super().train(gradient_steps, batch_size)
            return
        if gradient_steps == 0:
            return
        self.update_learning_rates()
        metrics = Metrics()
        with fast_products(self.device):
            for _ in range(gradient_steps):
                self._n_updates += 1
                batch = self.gradient_step(batch_size, metrics)
        figures = metrics.means()
        check_finite(figures, self._n_updates, batch.__dict__, self.logger.dir)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, value in figures.items():
            self.logger.record(f"train/{name}", value)

    def update_learning_rates(self) -> None:
        """Set the learning rates of this point of the training."""
        raise NotImplementedError

    def gradient_step(self, batch_size: int, metrics: Metrics) -> Batch:
        """
        Pass one batch through the whole update.

        :param batch_size: number of transitions
        :param metrics: where to add figures
        :return: the batch
        """
        batch = self.sample(batch_size)
        with th.no_grad():
            next_actions, penalty = self.next_actions(batch)
        outputs, next_outputs = self.evaluate_critics(batch, next_actions)
        with th.no_grad():
            target = self.critic_target_values(batch, next_outputs, penalty)
        critic_loss = self.critic_loss(outputs, target)
        metrics.add("critic_loss", critic_loss)
        self.optimize(self.policy.critic, critic_loss)

        if self._n_updates % self.policy_delay == 0:
            batch.features = batch.features.detach()
            actor_loss = self.actor_loss(batch, metrics)
            metrics.add("actor_loss", actor_loss)
            self.optimize(self.policy.actor, actor_loss)
            self.train_exploration(batch, metrics)
            self.after_actor(batch, metrics)

        if self.targets_due():
            self.sync_targets()
        return batch

    def sample(self, batch_size: int) -> Batch:
        """
        Draw transitions and extract their features.

        :param batch_size: number of transitions
        :return: the batch
        """
        data: Any = self.replay_buffer.sample(  # type: ignore[union-attr]
            batch_size, env=self._vec_normalize_env
        )
        with th.no_grad():
            next_features = self.policy.target_features(data.next_observations)
        return Batch(
            data.observations,
            data.next_observations,
            self.policy.features(data.observations, training=True),
            next_features,
            data.actions,
            data.rewards,
            1 - data.dones,
            self.gamma if data.discounts is None else data.discounts,
        )

    def evaluate_critics(
        self, batch: Batch, next_actions: th.Tensor
    ) -> tuple[th.Tensor, th.Tensor]:
        """
        Evaluate the critic at (s, a) and its target at (s', a').

        A critic with ``joint_batch`` sees both halves in one training-mode pass, as CrossQ does;
        so does its target. Without a target the same pass serves both.

        :param batch: the batch
        :param next_actions: ``(b, action_dim)``
        :return: two tensors ``(n_critics, b, n_outputs)``, the second without gradient
        """
        critic, target = self.policy.critic, self.policy.critic_target
        if not critic.joint_batch:
            outputs = critic(batch.features, batch.actions, training=True)
            with th.no_grad():
                return outputs, target(batch.next_features, next_actions)
        features = th.cat((batch.features, batch.next_features))
        actions = th.cat((batch.actions, next_actions))
        outputs, next_outputs = critic(features, actions, training=True).chunk(2, dim=1)
        if target is not critic:
            with th.no_grad():
                _, next_outputs = target(features, actions, training=True).chunk(2, dim=1)
        return outputs, next_outputs.detach()

    def critic_target_values(
        self, batch: Batch, next_outputs: th.Tensor, penalty: th.Tensor | None
    ) -> th.Tensor:
        """
        Bootstrap: ``r + gamma (1 - done) (reduce_i Q_i(s', a') - penalty)``.

        :param batch: the batch
        :param next_outputs: of the target critic, ``(n_critics, b, n_outputs)``
        :param penalty: ``(b, 1)`` or nothing
        :return: ``(b, n_outputs)`` or ``(n_critics, b, n_outputs)``
        """
        next_values: th.Tensor = self.policy.critic.reduce(next_outputs)
        if penalty is not None:
            next_values = next_values - penalty
        return batch.rewards + batch.not_done * batch.discounts * next_values

    def optimize(self, module: nn.Module, loss: th.Tensor) -> None:
        """
        Step the optimiser of one part; no other part's gradient is computed.

        :param module: the actor or critic, with its ``optimizer``
        :param loss: a scalar
        """
        optimizer: th.optim.Optimizer = module.optimizer  # type: ignore[assignment]
        trained = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        optimizer.zero_grad()
        loss.backward(inputs=trained)  # type: ignore[no-untyped-call]
        if self.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(trained, self.max_grad_norm)
        optimizer.step()
        module.project_()  # type: ignore[operator]

    @th.no_grad()
    def sync_targets(self) -> None:
        """Move the targets' parameters by ``tau`` and copy their buffers."""
        for online, target in self.policy.target_pairs():
            th._foreach_lerp_(list(target.parameters()), list(online.parameters()), self.tau)
            copy_all(synced_buffers(target), synced_buffers(online))
            if online is not self.policy.extractor:
                target.project_()  # type: ignore[operator]


def copy_all(targets: Iterable[th.Tensor], sources: Iterable[th.Tensor]) -> None:
    """
    Copy tensors in place.

    :param targets: tensors to overwrite
    :param sources: tensors to read, in the same order
    """
    pairs = list(zip(targets, sources, strict=True))
    if pairs:
        th._foreach_copy_([target for target, _ in pairs], [source for _, source in pairs])
