"""Where a gradient step reads the critic: at one action of each state, or at all of them."""

from collections.abc import Callable

import torch as th

from sb3_scale.learning.actor_critic import Policy, repeated
from sb3_scale.learning.batch import Step


class OneAction:
    """The critic reads a state and an action; the next action is one that the actor chose."""

    def evaluate(
        self, policy: Policy, step: Step, next_actions: th.Tensor
    ) -> tuple[th.Tensor, th.Tensor]:
        """
        :param policy: with critic and target
        :param step: with its features
        :param next_actions: ``(b, action_dim)``
        :return: outputs of the critic at ``(s, a)`` and of its target at ``(s', a')``, two tensors
            ``(m, b, n_outputs)``, the second without gradient
        """
        batch = step.batch
        actions = repeated(batch.actions, batch.copies)
        if not policy.critic.joint_batch:
            outputs = policy.critic_outputs(step.features, actions, training=True)
            with th.no_grad():
                return outputs, policy.target_outputs(step.next_features, next_actions)
        both = th.cat((actions, next_actions))
        return jointly(
            policy,
            step,
            lambda features: policy.critic_outputs(features, both, training=True),
            lambda features: policy.target_outputs(features, both, training=True),
        )

    def target(
        self,
        policy: Policy,
        next_outputs: th.Tensor,
        next_actions: th.Tensor,
        rewards: th.Tensor,
        discounts: th.Tensor,
        entropy_term: th.Tensor | None,
    ) -> th.Tensor:
        """
        :param policy: with the critic
        :param next_outputs: of :meth:`evaluate`
        :param next_actions: that they were evaluated at
        :param rewards: ``(b, 1)``
        :param discounts: 0 where the episode terminated, ``(b, 1)``
        :param entropy_term: what to subtract from the next value, ``(b, 1)``, or nothing
        :return: the critic's ``bootstrap``
        """
        found: th.Tensor = policy.critic.bootstrap(next_outputs, rewards, discounts, entropy_term)
        return found

    def chosen(self, policy: Policy, next_actions: th.Tensor) -> th.Tensor:
        """
        :param policy: without use
        :param next_actions: ``(b, action_dim)``
        :return: one action of each state as the replay buffer has it: these
        """
        return next_actions


class AllActions:
    """The critic reads a state and values all actions; each next one counts by its probability."""

    def evaluate(
        self, policy: Policy, step: Step, next_log_probs: th.Tensor
    ) -> tuple[th.Tensor, th.Tensor]:
        """
        :param policy: with critic and target
        :param step: with its features
        :param next_log_probs: without use
        :return: outputs of the critic at ``(s, a)``, ``(m, b, n_outputs)``, and of its target at
            ``s'`` for all actions, ``(m, b, n_actions, n_outputs)``, without gradient
        """
        batch = step.batch
        actions = repeated(batch.actions, batch.copies)
        if not policy.critic.joint_batch:
            outputs = policy.critic_outputs(step.features, actions, training=True)
            with th.no_grad():
                return outputs, policy.all_target_outputs(step.next_features)
        outputs, next_outputs = jointly(
            policy,
            step,
            lambda features: policy.all_critic_outputs(features, training=True),
            lambda features: policy.all_target_outputs(features, training=True),
        )
        return policy.critic.taken(outputs, policy.action_code.to_index(actions)), next_outputs

    def target(
        self,
        policy: Policy,
        next_outputs: th.Tensor,
        next_log_probs: th.Tensor,
        rewards: th.Tensor,
        discounts: th.Tensor,
        entropy_term: th.Tensor | None,
    ) -> th.Tensor:
        """
        :param policy: with the critic
        :param next_outputs: of :meth:`evaluate`
        :param next_log_probs: of the actions at ``s'``, ``(b, n_actions)``
        :param rewards: ``(b, 1)``
        :param discounts: 0 where the episode terminated, ``(b, 1)``
        :param entropy_term: what to subtract from the next value, ``(b, 1)``, or nothing
        :return: the critic's ``bootstrap_all``
        """
        found: th.Tensor = policy.critic.bootstrap_all(
            next_outputs, next_log_probs.exp(), rewards, discounts, entropy_term
        )
        return found

    def chosen(self, policy: Policy, next_log_probs: th.Tensor) -> th.Tensor:
        """
        :param policy: whose replay buffer it is
        :param next_log_probs: ``(b, n_actions)``
        :return: a sample at each state as the replay buffer has it, ``(b, k)``
        """
        drawn = th.multinomial(next_log_probs.exp(), 1)
        found: th.Tensor = policy.action_code.to_environment(drawn)
        return found


def jointly(
    policy: Policy,
    step: Step,
    online: Callable[[th.Tensor], th.Tensor],
    target: Callable[[th.Tensor], th.Tensor],
) -> tuple[th.Tensor, th.Tensor]:
    """
    Pass both states through the critic at once, as CrossQ does, and so through its target. Without
    a target the same pass serves both.

    :param policy: with critic and target
    :param step: with its features
    :param online: from features of ``[s ; s']`` to outputs of the critic, ``(m, 2 b, ...)``
    :param target: the same of the target
    :return: outputs of the critic at ``s``, and of its target at ``s'`` without gradient
    """
    features, next_features = step.features, step.own_next_features
    halves = [len(features), len(next_features)]
    outputs, next_outputs = th.split(online(th.cat((features, next_features))), halves, dim=1)
    if policy.critic_target is not policy.critic:
        with th.no_grad():
            if policy.extractor_target is not policy.extractor:
                features = policy.target_features(step.batch.observations)
            theirs = target(th.cat((features, step.next_features)))
        _, next_outputs = th.split(theirs, halves, dim=1)
    return outputs, next_outputs.detach()
