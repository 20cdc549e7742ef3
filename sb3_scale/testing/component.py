"""``check_component``: all checks of one part."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import torch

from sb3_scale.catalogue import POLICY_KINDS
from sb3_scale.specs import Spec
from sb3_scale.testing.backends import check_env_backend
from sb3_scale.testing.documentation import check_documentation
from sb3_scale.testing.heads import check_actor, check_critic
from sb3_scale.testing.layers import check_network, check_norm
from sb3_scale.testing.others import (
    check_algorithm,
    check_callback,
    check_env,
    check_extractor,
    check_zoo_config,
)
from sb3_scale.testing.replay import check_replay_buffer
from sb3_scale.testing.rules import check_constraint, check_loss, check_optimizer
from sb3_scale.testing.subject import Subject, find_spec, offered
from sb3_scale.testing.training import train

CHECKS = {
    "network": check_network,
    "norm": check_norm,
    "constraint": check_constraint,
    "actor": check_actor,
    "critic": check_critic,
    "extractor": check_extractor,
    "loss": check_loss,
    "optimizer": check_optimizer,
    "replay-buffer": check_replay_buffer,
    "callback": check_callback,
    "algorithm": check_algorithm,
    "env": check_env,
    "env-backend": check_env_backend,
    "zoo-config": check_zoo_config,
}


def check_component(
    spec: Spec | str,
    name: str = "",
    params: Mapping[str, Any] | None = None,
    env: "str | gymnasium.Env[Any, Any]" = "Pendulum-v1",
) -> None:
    """
    Check a part against the contract of its kind, and train with it for a few steps.

    :param spec: the part, or its kind
    :param name: its name, if ``spec`` is a kind
    :param params: parameters to use instead of the defaults, for instance ``{"width": 16}``
    :param env: environment to train in, whose observation space an extractor is made for; for an
        env-backend the id of one that it has, in which an episode ends within 1000 steps
    :raises AssertionError: with one sentence that names the part and what is wrong
    :raises Sb3ScaleError: if there is no such part
    """
    spec = find_spec(spec, name)
    subject = Subject(spec, params or {}, env)
    with offered(spec), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        check_documentation(subject)
        CHECKS[spec.kind](subject)
        if spec.kind in POLICY_KINDS:
            train(subject)
