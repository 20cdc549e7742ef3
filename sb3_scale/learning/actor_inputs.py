"""What the actor reads in its own loss."""

import torch as th

from sb3_scale.learning.actor_critic import Policy
from sb3_scale.learning.batch import Step


def read_by_actor(policy: Policy, step: Step) -> th.Tensor:
    """
    :param policy: whose actor's norms see s, or both s and s', in its loss
    :param step: after the critic's part of it
    :return: what the actor reads of ``s``, ``(b, actor_dim)``, or of ``[s ; s']``,
        ``(2 b, actor_dim)``
    """
    if not policy.actor_joint_batch:
        return policy.actor_inputs(step.features)
    next_features = step.next_features
    if policy.extractor_target is not policy.extractor:
        with th.no_grad():
            next_features = policy.features(step.batch.next_observations)
    return policy.actor_inputs(th.cat((step.features, next_features[: len(step.features)])))
