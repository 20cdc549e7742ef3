"""Checks of extractors, algorithms, environments and files of settings."""

import warnings
from copy import deepcopy
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_checker import check_env as check_gymnasium
from torch import Tensor, nn

from sb3_scale.parts import build, load_target, settings_path
from sb3_scale.plugins import manager
from sb3_scale.policies import build_extractor
from sb3_scale.registration import register_envs
from sb3_scale.specs import ZooConfig
from sb3_scale.testing.modules import (
    check_copies,
    check_evaluation,
    check_gradients,
    check_rows,
    check_training_argument,
)
from sb3_scale.testing.subject import BATCH, Subject
from sb3_scale.testing.training import STEPS, check_saved, make_model


def check_extractor(subject: Subject) -> None:
    """
    :param subject: an extractor
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Extractor`
    """
    # The algorithm wraps the environment, for instance to move the channels of images.
    policy = make_model(subject).policy
    extractor = policy.extractor
    subject.require(isinstance(extractor, nn.Module), "is no torch.nn.Module")
    subject.require(type(extractor.features_dim) is int, "has no whole number 'features_dim'")
    check_training_argument(subject, extractor)
    observations, _ = policy.obs_to_tensor(_batch(policy.observation_space))
    shape = (BATCH, extractor.features_dim)
    for training in (True, False):
        what = f"forward with training={training}"
        features = subject.call(what, policy.features, observations, training)
        subject.tensor(what, features, shape)

    def evaluate(module: nn.Module) -> Tensor:
        output: Tensor = policy._extract(module, observations, False)
        return output

    check_evaluation(subject, extractor, evaluate)
    first = _first(observations)
    check_rows(subject, evaluate(extractor), policy.features(first))
    actions = policy.actor(policy.features(observations)).detach().requires_grad_()
    if policy.has_pairs:
        what, shape = "pair", (BATCH, extractor.pair_dim)
        pairs = subject.call(what, extractor.pair, policy.features(observations), actions)
        subject.tensor(what, pairs, shape)
        subject.require(pairs.requires_grad, f"cuts the gradient of the actions in {what}")
    if policy.learns_apart:
        loss = subject.call(
            "auxiliary_loss", policy.auxiliary_loss, observations, actions.detach(), observations
        )
        check_gradients(subject, extractor, loss, {})
    else:
        check_gradients(subject, extractor, policy.features(observations, True), {})
    part = {"name": subject.spec.name, **subject.params}
    check_copies(
        subject,
        extractor,
        lambda: build_extractor(part, policy.observation_space, actions.shape[1]),
        evaluate,
    )


def _batch(space: spaces.Space[Any]) -> Any:
    if isinstance(space, spaces.Dict):
        return {key: _batch(part) for key, part in space.spaces.items()}
    return np.stack([space.sample() for _ in range(BATCH)])


def _first(observations: Any) -> Any:
    if isinstance(observations, dict):
        return {key: value[:1] for key, value in observations.items()}
    return observations[:1]


def check_callback(subject: Subject) -> None:
    """
    :param subject: a callback
    :raises AssertionError: if it is none of Stable-Baselines3, or fails in a short training
    """
    callback = build("callback", {"name": subject.spec.name, **subject.params})
    subject.require(isinstance(callback, BaseCallback), "is no BaseCallback of Stable-Baselines3")
    model = make_model(subject)
    subject.call("training", model.learn, STEPS, callback)


def check_algorithm(subject: Subject) -> None:
    """
    :param subject: an algorithm
    :raises AssertionError: if it is none of Stable-Baselines3, or cannot train
    """
    algorithm = load_target(subject.spec)
    subject.require(
        isinstance(algorithm, type) and issubclass(algorithm, BaseAlgorithm),
        "is no class derived from stable_baselines3.common.base_class.BaseAlgorithm",
    )
    policy = "ScalePolicy" if "ScalePolicy" in algorithm.policy_aliases else "MlpPolicy"
    model = subject.call(
        "its constructor", algorithm, policy, subject.env, seed=0, device="cpu", **subject.params
    )
    # More than 100, where off-policy algorithms begin to learn.
    subject.call("150 steps of training", model.learn, 150)
    check_saved(subject, model)


def check_env(subject: Subject) -> None:
    """
    :param subject: an environment
    :raises AssertionError: if it does not keep the interface of Gymnasium
    """
    register_envs()
    env = subject.call("gymnasium.make", gymnasium.make, subject.spec.name, **subject.params)
    with warnings.catch_warnings():
        # Advice on spaces is no fault; what is one raises.
        warnings.simplefilter("ignore")
        subject.call("Stable-Baselines3's check_env", check_gymnasium, env, skip_render_check=True)
    first, second = (env.reset(seed=1)[0] for _ in range(2))
    pairs = [(first, second)]
    if isinstance(first, dict):
        pairs = [(first[key], second[key]) for key in first]
    subject.require(
        all(np.array_equal(*pair) for pair in pairs), "begins differently with the same seed"
    )
    env.close()


def check_zoo_config(subject: Subject) -> None:
    """
    :param subject: a file of settings; RL-Zoo must be installed
    :raises AssertionError: if it cannot be read, or a policy cannot be made of it
    """
    from sb3_scale.zoo import configs

    spec = subject.spec
    assert isinstance(spec, ZooConfig)
    path = subject.call(f"finding '{spec.target}'", settings_path, spec)
    algorithm = load_target(manager().find("algorithm", spec.algo)[1])
    tasks = subject.call(f"reading {path}", configs.read, path)
    made: list[Any] = []
    for task, settings in tasks.items():
        # Tasks that begin with a dot hold what others share.
        if task.startswith(".") or not configs.uses_scale_policy(settings):
            continue
        subject.call(f"the settings of {task}", configs.check, spec.algo, algorithm, settings)
        parts = {**algorithm.default_parts, **settings.get("policy_kwargs", {})}
        if parts not in made:
            subject.call(f"the policy of {task}", _make_policy, deepcopy(parts))
            made.append(parts)


def _make_policy(policy_kwargs: dict[str, Any]) -> None:
    from sb3_scale.policies import ScalePolicy

    # As wide as the humanoid's, since settings may name numbers of an observation.
    observations, actions = spaces.Box(-1, 1, (376,)), spaces.Box(-1, 1, (3,))
    ScalePolicy(observations, actions, lambda _: 1e-3, **policy_kwargs)
