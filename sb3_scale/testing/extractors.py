"""Checks of extractors."""

from typing import Any

import numpy as np
from gymnasium import spaces
from torch import Tensor, allclose, cat, nn, randn_like

from sb3_scale.policies import build_extractor
from sb3_scale.testing.learners import prepared_step, trained_by
from sb3_scale.testing.modules import (
    check_copies,
    check_evaluation,
    check_gradients,
    check_projection,
    check_rows,
    check_training_argument,
)
from sb3_scale.testing.part_under_test import BATCH, Subject
from sb3_scale.testing.samples import check_samples, differing
from sb3_scale.testing.training import make_model


def check_extractor(subject: Subject) -> None:
    """
    :param subject: an extractor
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.Extractor`
    """
    # The algorithm wraps the environment, for instance to move the channels of images.
    model = make_model(subject)
    policy = model.policy
    extractor = policy.extractor
    subject.require(isinstance(extractor, nn.Module), "is no torch.nn.Module")
    subject.require(type(extractor.features_dim) is int, "has no whole number 'features_dim'")
    check_training_argument(subject, extractor)
    observations, _ = policy.obs_to_tensor(_batch(policy.observation_space))
    for training in (True, False):
        what = f"forward with training={training}"
        features = subject.call(what, policy.features, observations, training)
        subject.tensor(what, features, (BATCH, extractor.features_dim))

    def evaluate(module: nn.Module) -> Tensor:
        output: Tensor = module(policy.prepare(observations))
        return output

    check_evaluation(subject, extractor, evaluate)
    check_rows(subject, evaluate(extractor), policy.features(_first(observations)))
    _check_reads(subject, policy, observations)
    features = policy.features(observations)
    _check_actor_inputs(subject, policy, observations, features)
    actions = policy.actor(policy.actor_inputs(features)).detach().requires_grad_()
    _check_critic_inputs(subject, extractor, features, actions)
    _check_trained(subject, model, observations, actions)
    check_projection(subject, extractor)
    part = {"name": subject.spec.name, **subject.params}
    check_copies(
        subject,
        extractor,
        lambda: build_extractor(part, policy.observation_space, actions.shape[1]),
        evaluate,
    )


def _check_reads(subject: Subject, policy: Any, observations: Any) -> None:
    other, _ = policy.obs_to_tensor(_batch(policy.observation_space))
    features, others = policy.features(observations), policy.features(other)
    subject.require(
        bool(differing(features, others).all()), "does not depend on its observations in forward"
    )


def _check_actor_inputs(subject: Subject, policy: Any, observations: Any, features: Tensor) -> None:
    extractor = policy.extractor
    shape = (BATCH, extractor.actor_dim())
    inputs = subject.call("actor_inputs", extractor.actor_inputs, features)
    subject.tensor("actor_inputs", inputs, shape)
    hidden = extractor.hidden_keys
    if hidden:
        observations = {key: each for key, each in observations.items() if key not in hidden}
    acting = subject.call("actor_features", policy.actor_features, observations)
    subject.tensor("actor_features", acting, shape)
    subject.require(
        allclose(acting, inputs, rtol=1e-4, atol=1e-5),
        "gives other numbers in actor_features than actor_inputs takes of those of forward",
    )


def _check_critic_inputs(
    subject: Subject, extractor: Any, features: Tensor, actions: Tensor
) -> None:
    dims = subject.call("critic_dims", extractor.critic_dims, actions.shape[1])
    inputs = subject.call("critic_inputs", extractor.critic_inputs, features, actions)
    for index, (tensor, width) in enumerate(zip(inputs, dims, strict=True)):
        subject.tensor(f"critic_inputs, as number {index},", tensor, (BATCH, width))
    subject.require(
        any(tensor.requires_grad and tensor.numel() > 0 for tensor in inputs),
        "cuts the gradient of the actions in critic_inputs",
    )
    first = features.detach(), actions.detach()
    for what, second in (
        ("critic_inputs, of features,", (randn_like(first[0]), first[1])),
        ("critic_inputs, of actions,", (first[0], -first[1])),
    ):
        check_samples(
            subject, what, lambda *each: cat(extractor.critic_inputs(*each), dim=1), first, second
        )


def _check_trained(subject: Subject, model: Any, observations: Any, actions: Tensor) -> None:
    policy = model.policy
    extractor = policy.extractor
    if policy.critic_trains_extractor:
        features = policy.features(observations, True)
        read, _ = extractor.critic_inputs(features, actions)
        check_gradients(subject, extractor, cat((features, read), dim=1), {})
        return
    step = prepared_step(subject, model)
    trained = trained_by(subject, extractor.learners(policy), step)
    for name, parameter in extractor.named_parameters():
        subject.require(id(parameter) in trained, f"trains its parameter '{name}' by no loss")


def _batch(space: spaces.Space[Any]) -> Any:
    if isinstance(space, spaces.Dict):
        return {key: _batch(part) for key, part in space.spaces.items()}
    return np.stack([space.sample() for _ in range(BATCH)])


def _first(observations: Any) -> Any:
    if isinstance(observations, dict):
        return {key: value[:1] for key, value in observations.items()}
    return observations[:1]
