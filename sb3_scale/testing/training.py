"""``check_trains``: a few real steps of SAC or TD3."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.env_util import make_vec_env

from sb3_scale.catalogue import POLICY_KINDS, algorithm_for, with_part
from sb3_scale.collection.unmade import EnvCopy
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.generators import kept_generators
from sb3_scale.parts import load_target
from sb3_scale.plugins import manager
from sb3_scale.specs import Spec
from sb3_scale.testing.part_under_test import Subject, env_for, find_spec, offered

STEPS = 60

STARTS = 20
"""Of them before the first gradient step."""


def check_trains(
    spec: Spec | str,
    name: str = "",
    params: Mapping[str, Any] | None = None,
    env: "str | gymnasium.Env[Any, Any] | None" = None,
) -> None:
    """
    Train with a part by SAC, or by TD3 if it is a deterministic actor, then save and load.

    :param spec: the part, or its kind
    :param name: its name, if ``spec`` is a kind
    :param params: parameters to use instead of the defaults
    :param env: environment to train in, by default Pendulum-v1, or CartPole-v1 for discrete actions
    :raises AssertionError: with one sentence that names the part and what is wrong
    :raises Sb3ScaleError: if there is no such part, or no policy is made of its kind
    """
    spec = find_spec(spec, name)
    if spec.kind not in POLICY_KINDS:
        raise Sb3ScaleError(f"no policy is made of a part of the kind '{spec.kind}'")
    with offered(spec), kept_generators():
        train(Subject(spec, params or {}, env_for(spec, env)))


def make_model(subject: Subject) -> Any:
    """
    :param subject: a part
    :return: an algorithm that trains with it, if it is a part of policies
    """
    part = {"name": subject.spec.name, **subject.params}
    trained = subject.spec.kind in POLICY_KINDS
    algo = algorithm_for(subject.spec.kind, part)
    policy_kwargs = with_part(subject.spec.kind, part) if trained else {}
    return construct(subject, algo, policy_kwargs=policy_kwargs)


def construct(subject: Subject, algo: str, n_envs: int = 1, **settings: Any) -> Any:
    """
    :param subject: a part
    :param algo: name of an algorithm
    :param n_envs: how often its environment is made
    :param settings: arguments that bring the part into it
    :return: the algorithm, small enough for a check
    """
    algorithm = load_target(manager().find("algorithm", algo)[1])
    make = subject.env if isinstance(subject.env, str) else EnvCopy(subject.env)
    return subject.call(
        f"the constructor of {algorithm.__name__}",
        algorithm,
        "ScalePolicy",
        subject.env if n_envs == 1 else make_vec_env(make, n_envs),
        learning_starts=STARTS,
        buffer_size=200,
        batch_size=16,
        seed=0,
        device="cpu",
        **settings,
    )


def train(subject: Subject) -> None:
    """
    :param subject: a part of a policy
    :raises AssertionError: if training fails, or changes nothing
    """
    model = make_model(subject)
    modules = {"actor": model.policy.actor, "critic": model.policy.critic}
    before = {
        name: [parameter.detach().clone() for parameter in module.parameters()]
        for name, module in modules.items()
    }
    subject.call(f"{STEPS} steps of training", model.learn, STEPS)
    for name, module in modules.items():
        parameters = list(module.parameters())
        subject.require(
            all(bool(parameter.isfinite().all()) for parameter in parameters),
            f"makes parameters of the {name} not finite in training",
        )
        pairs = zip(parameters, before[name], strict=True)
        subject.require(
            any(not torch.equal(new, old) for new, old in pairs),
            f"leaves the {name} unchanged in training",
        )
    check_saved(subject, model)


def check_saved(subject: Subject, model: BaseAlgorithm) -> None:
    """
    :param subject: the part
    :param model: a trained algorithm
    :raises AssertionError: if a loaded checkpoint acts differently
    """
    observation = model.observation_space.sample()
    expected, _ = model.predict(observation, deterministic=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.zip"
        subject.call("save", model.save, path)
        loaded = subject.call("load", type(model).load, path, device="cpu")
    actions, _ = loaded.predict(observation, deterministic=True)
    subject.require(
        bool(np.allclose(actions, expected, atol=1e-5)), "acts differently after save and load"
    )
