"""
The losses of critic and actor.

:meth:`ActorCritic.critic_loss` and :meth:`ActorCritic.actor_loss` are functions that
``torch.compile`` takes as a whole.
"""

from typing import Any, Protocol

import torch as th
from torch.utils._pytree import tree_map

from sb3_scale.learning.batch import Step
from sb3_scale.learning.update import Metrics


class Policy(Protocol):
    """What a gradient step needs of a policy, see :class:`sb3_scale.policies.ScalePolicy`."""

    actor: Any
    actor_target: Any
    critic: Any
    critic_target: Any
    extractor: Any
    extractor_target: Any
    loss: Any
    transforms: Any
    action_code: Any
    critic_trains_extractor: bool
    actor_joint_batch: bool

    def features(self, observations: Any, training: bool = False) -> th.Tensor:
        """Features of observations, ``(b, features_dim)``."""

    def target_features(self, observations: Any) -> th.Tensor:
        """Features for the target critic, ``(b, features_dim)``."""

    def actor_inputs(self, features: th.Tensor) -> th.Tensor:
        """What of the features the actor reads, ``(b, actor_dim)``."""

    def critic_outputs(
        self, features: th.Tensor, actions: th.Tensor, training: bool = False
    ) -> th.Tensor:
        """Of the critic, ``(m, b, n_outputs)``."""

    def target_outputs(
        self, features: th.Tensor, actions: th.Tensor, training: bool = False
    ) -> th.Tensor:
        """Of the target critic, ``(m, b, n_outputs)``."""

    def all_critic_outputs(self, features: th.Tensor, training: bool = False) -> th.Tensor:
        """Of the critic for all discrete actions, ``(m, b, n_actions, n_outputs)``."""

    def all_target_outputs(self, features: th.Tensor, training: bool = False) -> th.Tensor:
        """Of the target critic for all discrete actions, ``(m, b, n_actions, n_outputs)``."""


class Evaluation(Protocol):
    """Where the critic is read, see :mod:`sb3_scale.learning.evaluation`."""

    def evaluate(
        self, policy: Policy, step: Step, next_actions: th.Tensor, /
    ) -> tuple[th.Tensor, th.Tensor]:
        """Outputs at ``(s, a)``, ``(m, b, n_outputs)``, and what the target reads at ``s'``."""

    def target(
        self,
        policy: Policy,
        next_outputs: th.Tensor,
        next_actions: th.Tensor,
        rewards: th.Tensor,
        discounts: th.Tensor,
        entropy_term: th.Tensor | None,
        /,
    ) -> th.Tensor:
        """The bootstrap target of the outputs at ``(s, a)``."""

    def chosen(self, policy: Policy, next_actions: th.Tensor, /) -> th.Tensor:
        """One action of each state as the replay buffer has it."""


class Objective(Protocol):
    """What an algorithm maximises: a value of actions, with or without entropy. A module."""

    evaluation: Evaluation
    """Where the critic is read."""

    backup_entropy: bool
    """Whether the entropy is part of the bootstrap target."""

    def follow(self, settings: Any) -> None:
        """
        Called before gradient steps. What compiled or captured steps read stays in place: values of
        attributes are kept in tensors.

        :param settings: the algorithm, whose attributes callbacks may have changed
        :raises Sb3ScaleError: if one of them cannot be used
        """

    def next_actions(
        self, policy: Policy, features: th.Tensor
    ) -> tuple[th.Tensor, th.Tensor | None]:
        """
        :param policy: with the actor whose actions count in the bootstrap target
        :param features: for that actor, ``(b, features_dim)``
        :return: actions ``(b, action_dim)``, or logarithms of the probabilities of all discrete
            ones ``(b, n_actions)``, as the evaluation reads them, and what to subtract from their
            value, ``(b, 1)`` or nothing; without gradient
        """

    def critic_loss(self, policy: Policy, outputs: th.Tensor, target: th.Tensor) -> th.Tensor:
        """
        :param policy: with the loss
        :param outputs: of the critic, ``(m, b, n_outputs)``
        :param target: of the critic's ``bootstrap``
        :return: a scalar
        """

    def actor_loss(self, policy: Policy, step: Step) -> tuple[th.Tensor, Metrics]:
        """
        :param policy: with actor and critic
        :param step: after the critic's part of it
        :return: a scalar, and others to log
        """

    def bonus(self, log_prob: th.Tensor) -> th.Tensor | None:
        """
        :param log_prob: of actions, ``(b, 1)``
        :return: what they add to the return beside the reward, ``(b, 1)``, or nothing
        """


class ActorCritic:
    """
    The losses of critic and actor.

    :param policy: the parts
    :param objective: of the algorithm
    """

    def __init__(self, policy: Policy, objective: Objective) -> None:
        self.policy = policy
        self.objective = objective

    def critic_loss(self, step: Step) -> tuple[th.Tensor, Metrics]:
        """
        The critic's loss from first to last.

        :param step: the batch, which is transformed and gets its features
        :return: a scalar, and nothing else to log
        """
        outputs, target = self.outputs_and_target(step)
        batch = step.batch
        weights = batch.importance_weights
        if weights is not None:
            td_errors = self.policy.critic.td_errors(outputs.detach(), target)
            step.td_errors = td_errors.view(batch.copies, -1).mean(0)
            outputs = weigh_gradient(outputs, repeated(weights, batch.copies))
        return self.objective.critic_loss(self.policy, outputs, target), {}

    def actor_loss(self, step: Step) -> tuple[th.Tensor, Metrics]:
        """
        The actor's loss from first to last.

        :param step: after :meth:`critic_loss`
        :return: a scalar, and what else to log
        """
        return self.objective.actor_loss(self.policy, step)

    def outputs_and_target(self, step: Step) -> tuple[th.Tensor, th.Tensor]:
        """
        :param step: the batch, which is transformed and gets its features
        :return: outputs of the critic at ``(s, a)``, ``(m, b, n_outputs)``, and their bootstrap
            target, without gradient; with copies of the transitions the target is the mean over
            those of ``s'``, for each of those of ``s``
        """
        self.extract(step)
        next_actions, entropy_term = self.next_actions(step)
        outputs, next_outputs = self.evaluate(step, next_actions)
        batch = step.batch
        with th.no_grad():
            target = self.objective.evaluation.target(
                self.policy,
                next_outputs,
                next_actions,
                repeated(batch.rewards, batch.next_copies),
                repeated(batch.discounts, batch.next_copies),
                entropy_term,
            )
            target = repeated(mean_of_copies(target, batch.next_copies), batch.copies)
        step.features = step.features.detach()[: len(batch)]
        step.next_features = step.next_features[: len(batch)]
        step.own_next_features = step.own_next_features.detach()[: len(batch)]
        return outputs, target

    def extract(self, step: Step) -> None:
        """
        Transform the batch and give it its features.

        :param step: the batch
        """
        policy = self.policy
        with th.no_grad():
            for transform in policy.transforms:
                step.batch = transform(step.batch)
        with th.set_grad_enabled(policy.critic_trains_extractor and th.is_grad_enabled()):
            if policy.critic.joint_batch:
                self._extract_jointly(step)
            else:
                self._extract_apart(step)

    def _extract_apart(self, step: Step) -> None:
        """Features of s and s' in two passes, the second without gradient."""
        policy, batch = self.policy, step.batch
        with th.no_grad():
            step.next_features = policy.target_features(batch.next_observations)
            step.own_next_features = step.next_features
            own_target = policy.actor_target is not policy.actor
            if policy.extractor_target is not policy.extractor and not own_target:
                step.own_next_features = policy.features(batch.next_observations)
        step.features = policy.features(batch.observations, training=True)

    def _extract_jointly(self, step: Step) -> None:
        """
        Features of s and s' in one pass. Both have a gradient, as the statistics of both are in it:
        if only those of s had one, it would move the features without moving any output.
        """
        policy, batch = self.policy, step.batch
        states, next_states = batch.observations, batch.next_observations
        both = tree_map(lambda *halves: th.cat(halves), states, next_states)
        rows = len(batch) * batch.copies
        features = policy.features(both, training=True)
        step.features, step.own_next_features = features[:rows], features[rows:]
        step.next_features = step.own_next_features.detach()
        if policy.extractor_target is not policy.extractor:
            with th.no_grad():
                step.next_features = policy.target_features(batch.next_observations)

    @th.no_grad()
    def next_actions(self, step: Step) -> tuple[th.Tensor, th.Tensor | None]:
        """
        :param step: with its features
        :return: of the objective
        """
        policy = self.policy
        # Of the extractor that goes with the actor that acts there.
        own_target = policy.actor_target is not policy.actor
        features = step.next_features if own_target else step.own_next_features
        return self.objective.next_actions(policy, features)

    def evaluate(self, step: Step, next_actions: th.Tensor) -> tuple[th.Tensor, th.Tensor]:
        """
        Evaluate the critic at ``(s, a)`` and its target at ``(s', a')``.

        A critic with ``joint_batch`` sees both halves in one training-mode pass, as CrossQ does;
        so does its target. Without a target the same pass serves both.

        :param step: with its features
        :param next_actions: of the objective
        :return: two tensors, the first ``(m, b, n_outputs)``, the second without gradient
        """
        return self.objective.evaluation.evaluate(self.policy, step, next_actions)


def weigh_gradient(outputs: th.Tensor, weights: th.Tensor) -> th.Tensor:
    """
    Weigh transitions in the gradient of any loss that averages over them, whatever its form.

    :param outputs: of the critic, ``(m, b, n_outputs)``
    :param weights: ``(b, 1)``
    :return: the same values, through which the gradient of each transition is multiplied
    """
    fixed = outputs.detach()
    return fixed + weights * (outputs - fixed)


def repeated(rows: th.Tensor, copies: int) -> th.Tensor:
    """
    :param rows: ``(..., b, k)``
    :param copies: how often they are wanted, one after the other
    :return: ``(..., copies * b, k)``
    """
    return rows if copies == 1 else th.cat([rows] * copies, dim=-2)


def mean_of_copies(rows: th.Tensor, copies: int) -> th.Tensor:
    """
    :param rows: ``(..., copies * b, k)``
    :param copies: of ``b`` rows, one after the other
    :return: their mean, ``(..., b, k)``
    """
    return rows if copies == 1 else th.unflatten(rows, -2, (copies, -1)).mean(-3)
