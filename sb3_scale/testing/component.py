"""``check_component``: all checks of one part."""

from collections.abc import Mapping
from typing import Any

import gymnasium
import torch

from sb3_scale.catalogue import POLICY_KINDS
from sb3_scale.specs import Spec
from sb3_scale.testing import heads, layers, others, rules
from sb3_scale.testing.documentation import check_documentation
from sb3_scale.testing.subject import Subject, find_spec, offered
from sb3_scale.testing.training import train

CHECKS = {
    "network": layers.check_network,
    "norm": layers.check_norm,
    "constraint": rules.check_constraint,
    "actor": heads.check_actor,
    "critic": heads.check_critic,
    "extractor": others.check_extractor,
    "loss": rules.check_loss,
    "optimizer": rules.check_optimizer,
    "algorithm": others.check_algorithm,
    "env": others.check_env,
    "zoo-config": others.check_zoo_config,
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
    :param env: environment to train in, whose observation space an extractor is made for
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
