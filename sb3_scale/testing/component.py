"""``check_component``: all checks of one part."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import torch

from sb3_scale.catalogue import POLICY_KINDS
from sb3_scale.generators import kept_generators
from sb3_scale.specs import DiscreteActor, DiscreteCritic, Spec
from sb3_scale.testing.actors import check_actor
from sb3_scale.testing.algorithms import check_algorithm
from sb3_scale.testing.callbacks import check_callback
from sb3_scale.testing.collectors import check_collector
from sb3_scale.testing.constraints import check_constraint
from sb3_scale.testing.critics import check_critic
from sb3_scale.testing.discrete import check_discrete_actor, check_discrete_critic
from sb3_scale.testing.documentation import check_documentation
from sb3_scale.testing.env_backends import check_env_backend
from sb3_scale.testing.envs import check_env
from sb3_scale.testing.extractors import check_extractor
from sb3_scale.testing.losses import check_loss
from sb3_scale.testing.networks import check_network
from sb3_scale.testing.norms import check_norm
from sb3_scale.testing.optimizers import check_optimizer
from sb3_scale.testing.part_under_test import Subject, env_for, find_spec, offered
from sb3_scale.testing.reductions import check_reduction
from sb3_scale.testing.replay_buffers import check_replay_buffer
from sb3_scale.testing.training import train
from sb3_scale.testing.transforms import check_transform
from sb3_scale.testing.values import check_value
from sb3_scale.testing.zoo_configs import check_recipe, check_zoo_config

CHECKS = {
    "network": check_network,
    "norm": check_norm,
    "constraint": check_constraint,
    "actor": check_actor,
    "critic": check_critic,
    "value": check_value,
    "reduction": check_reduction,
    "extractor": check_extractor,
    "loss": check_loss,
    "optimizer": check_optimizer,
    "replay-buffer": check_replay_buffer,
    "transform": check_transform,
    "collector": check_collector,
    "callback": check_callback,
    "algorithm": check_algorithm,
    "env": check_env,
    "env-backend": check_env_backend,
    "zoo-config": check_zoo_config,
    "recipe": check_recipe,
}

OF_DISCRETE = {DiscreteActor: check_discrete_actor, DiscreteCritic: check_discrete_critic}
"""In the place of those of their kind."""


def check_component(
    spec: Spec | str,
    name: str = "",
    params: Mapping[str, Any] | None = None,
    env: "str | gymnasium.Env[Any, Any] | None" = None,
) -> None:
    """
    Check a part against the contract of its kind, and train with it for a few steps.

    :param spec: the part, or its kind
    :param name: its name, if ``spec`` is a kind
    :param params: parameters to use instead of the defaults, for instance ``{"width": 16}``
    :param env: environment to train in, by default Pendulum-v1, or CartPole-v1 for discrete
        actions, whose observation space an extractor is made for; for an
        env-backend the id of one that it has, in which an episode ends within 1000 steps
    :raises AssertionError: with one sentence that names the part and what is wrong
    :raises Sb3ScaleError: if there is no such part
    """
    spec = find_spec(spec, name)
    subject = Subject(spec, params or {}, env_for(spec, env))
    with offered(spec), kept_generators():
        torch.manual_seed(0)
        check_documentation(subject)
        OF_DISCRETE.get(type(spec), CHECKS[spec.kind])(subject)
        if spec.kind in POLICY_KINDS:
            train(subject)
