"""
The update that SAC and TD3 share, in the order of a batch's way through it.

replay batch -> features -> critic target -> critic loss -> step -> project
                              -> actor loss -> step -> project -> target sync -> metrics

Nothing here reads a tensor on the host; :meth:`SharedUpdate.execute` does once, at its end.
"""

from collections.abc import Callable, Iterable
from functools import partial

import torch as th
from torch import nn

from sb3_scale.algorithms.batch import Batch
from sb3_scale.algorithms.extractor_training import ExtractorTraining
from sb3_scale.algorithms.gradients import (
    Figures,
    Gradients,
    descend,
    gradients_of,
    weigh_gradient,
)
from sb3_scale.algorithms.metrics import Metrics, check_finite
from sb3_scale.algorithms.products import fast_products
from sb3_scale.algorithms.tensors import copy_all
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.policies import ScalePolicy, synced_buffers


class SharedUpdate(ExtractorTraining):
    """
    The gradient step. Subclasses say what the next action is, the actor's loss, and what is due.
    """

    policy_delay: int
    max_grad_norm: float | None

    _steps: Callable[[Iterable[Batch]], tuple[Batch, Metrics]]
    """:meth:`run_steps`, or what repeats it."""

    def next_actions(self, batch: Batch) -> tuple[th.Tensor, th.Tensor | None]:
        """
        :param batch: the batch
        :return: actions at ``s'``, ``(b, action_dim)``, and what to subtract from their value,
            ``(b, 1)`` or nothing; without gradient
        """
        raise NotImplementedError

    def actor_loss(self, batch: Batch, figures: Figures) -> th.Tensor:
        """
        :param batch: the batch
        :param figures: where to put scalars to log
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

    def actor_due(self) -> bool:
        """
        :return: whether this update steps the actor
        """
        return self._n_updates % self.policy_delay == 0

    def targets_due(self) -> bool:
        """
        :return: whether this update moves the target networks
        """
        raise NotImplementedError

    def optimizers(self) -> list[th.optim.Optimizer]:
        """
        :return: all that a gradient step may use
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
            metrics.update(actor.train_exploration(batch.features, self.policy, optimize))

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
        if self.policy.learns_apart and self._n_updates == 0:
            self.pretrain_extractor(batch_size)
        self.execute(self.sample(batch_size) for _ in range(gradient_steps))

    def execute(self, batches: Iterable[Batch]) -> None:
        """
        Take the gradient steps of a :meth:`train` call, and log them.

        :param batches: one per gradient step
        :raises Sb3ScaleError: if a loss is not finite
        """
        with fast_products(self.device):
            batch, metrics = self._steps(batches)
        figures = metrics.means()
        check_finite(figures, self._n_updates, batch.__dict__, self.logger.dir)
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")
        for name, value in figures.items():
            self.logger.record(f"train/{name}", value)

    def run_steps(self, batches: Iterable[Batch]) -> tuple[Batch, Metrics]:
        """
        :param batches: one per gradient step
        :return: the last of them, and the metrics of all
        :raises Sb3ScaleError: if a loss is not finite and a replay buffer noticed it
        """
        metrics, batch = Metrics(), None
        try:
            for batch in batches:
                self._n_updates += 1
                self.gradient_step(batch, metrics)
        except Sb3ScaleError:
            # A replay buffer sees an error that is not finite before the figures are read.
            if batch is not None:
                check_finite(metrics.means(), self._n_updates, batch.__dict__, self.logger.dir)
            raise
        assert batch is not None
        return batch, metrics

    def update_learning_rates(self) -> None:
        """Set the learning rates of this point of the training."""
        raise NotImplementedError

    def gradient_step(self, batch: Batch, metrics: Metrics) -> None:
        """
        Pass one batch through the whole update.

        :param batch: the batch
        :param metrics: where to add figures
        """
        if batch.auxiliary is not None:
            self.train_extractor(batch.auxiliary, metrics)
        figures, gradients = self._gradients["critic"](batch)
        metrics.update(figures)
        descend(self.policy.critic, gradients, self.max_grad_norm)
        if self.actor_due():
            figures, gradients = self._gradients["actor"](batch)
            metrics.update(figures)
            descend(self.policy.actor, gradients, self.max_grad_norm)
            self.train_exploration(batch, metrics)
            self.after_actor(batch, metrics)
        if self.targets_due():
            self.sync_targets()
        if batch.td_errors is not None:
            self.replay_buffer.update_priorities(  # type: ignore[union-attr]
                batch.indices, batch.td_errors
            )

    def critic_gradients(self, batch: Batch) -> tuple[Figures, Gradients]:
        """
        The critic's loss from first to last; a function that ``torch.compile`` can take as a whole.

        :param batch: the batch, which gets its features
        :return: the loss, and the gradients of what the critic's optimiser trains
        """
        self.extract(batch)
        with th.no_grad():
            next_actions, penalty = self.next_actions(batch)
        outputs, next_outputs = self.evaluate_critics(batch, next_actions)
        batch.features = batch.features.detach()
        with th.no_grad():
            target = self.critic_target_values(batch, next_outputs, penalty)
        if batch.importance_weights is not None:
            values = self.policy.critic.value(outputs.detach())
            batch.td_errors = (values - target.mean(-1, keepdim=True)).abs().mean(dim=(0, 2))
            outputs = weigh_gradient(outputs, batch.importance_weights)
        loss = self.critic_loss(outputs, target)
        return {"critic_loss": loss.detach()}, gradients_of(loss, self.policy.critic)

    def extract(self, batch: Batch) -> None:
        """
        Give a batch its features.

        :param batch: the batch
        """
        with th.no_grad():
            batch.next_features = self.policy.target_features(batch.next_observations)
        with th.set_grad_enabled(not self.policy.learns_apart):
            batch.features = self.policy.features(batch.observations, training=True)

    def actor_gradients(self, batch: Batch) -> tuple[Figures, Gradients]:
        """
        The actor's loss from first to last; a function that ``torch.compile`` can take as a whole.

        :param batch: the batch, after :meth:`critic_gradients`
        :return: the loss and other scalars, and the gradients of what the actor's optimiser trains
        """
        figures: Figures = {}
        loss = self.actor_loss(batch, figures)
        figures["actor_loss"] = loss.detach()
        return figures, gradients_of(loss, self.policy.actor)

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
        policy = self.policy
        if not policy.critic.joint_batch:
            outputs = policy.critic_outputs(batch.features, batch.actions, training=True)
            with th.no_grad():
                return outputs, policy.target_outputs(batch.next_features, next_actions)
        features, next_features = batch.features, batch.next_features
        actions = th.cat((batch.actions, next_actions))
        targets_own = policy.extractor_target is not policy.extractor
        if targets_own:
            with th.no_grad():
                next_features = policy.features(batch.next_observations)
        both = policy.critic_outputs(th.cat((features, next_features)), actions, training=True)
        outputs, next_outputs = both.chunk(2, dim=1)
        if policy.critic_target is not policy.critic:
            with th.no_grad():
                if targets_own:
                    features = policy.target_features(batch.observations)
                theirs = th.cat((features, batch.next_features))
                both = policy.target_outputs(theirs, actions, training=True)
            _, next_outputs = both.chunk(2, dim=1)
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
        Compute a part's gradients and step its optimiser.

        :param module: the actor or critic, with its ``optimizer``
        :param loss: a scalar
        """
        descend(module, gradients_of(loss, module), self.max_grad_norm)

    @th.no_grad()
    def sync_targets(self) -> None:
        """Move the targets' parameters by ``tau`` and copy their buffers."""
        for online, target in self.policy.target_pairs():
            th._foreach_lerp_(list(target.parameters()), list(online.parameters()), self.tau)
            copy_all(synced_buffers(target), synced_buffers(online))
            if hasattr(target, "project_"):
                target.project_()  # type: ignore[operator]
