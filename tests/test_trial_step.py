"""A model takes a trial step when it is made: parts that break their contract are refused there."""

import random
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from faulty_parts import (
    ChangesInPlace,
    NotANumber,
    PerSample,
    ShortensBatches,
    WrongWidth,
    weights_only,
)
from small_models import SMALL
from stable_baselines3.common.torch_layers import CombinedExtractor, FlattenExtractor
from torch import nn

from sb3_scale import SAC, TD3, Sb3ScaleError, hookimpl, specs
from sb3_scale.algorithms.trial import try_parts
from sb3_scale.learning.update import Learner
from sb3_scale.nn.actors import DeterministicActor, SquashedGaussianActor
from sb3_scale.nn.critics import EnsembleCritic
from sb3_scale.nn.extractors import FlattenExtractor as OwnFlatten
from sb3_scale.nn.losses import MSELoss
from sb3_scale.nn.mlp import MLP
from sb3_scale.nn.norms import EnsembleLayerNorm
from sb3_scale.nn.reductions import MeanReduction
from sb3_scale.nn.values import ScalarValue
from sb3_scale.plugins import manager

SETTINGS = {"buffer_size": 100, "learning_starts": 4, "batch_size": 4, "device": "cpu"}


class Flat(EnsembleLayerNorm):
    def forward(self, x, training=False):
        return super().forward(x, training).flatten(0, 1)


class InPlaceNorm(EnsembleLayerNorm):
    def forward(self, x, training=False):
        return x.sub_(1)


class DoubleNet(MLP):
    def forward(self, x, training=False):
        return super().forward(x, training).double()


class Stumbles(MLP):
    def forward(self, x, training=False):
        return x @ torch.ones(99, 2)


class StumblesInEvaluation(MLP):
    def forward(self, x, training=False):
        return super().forward(x, training) if training else [][0]


class Cut(MLP):
    def forward(self, x, training=False):
        return super().forward(x, training).detach()


class OnePerBatch(ScalarValue):
    def distribution(self, outputs):
        return outputs.mean(dim=1)


class Members(MeanReduction):
    def actor(self, means):
        return means


class Wide(EnsembleCritic):
    def judge(self, outputs):
        return self.value.mean(outputs)[:, :, 0]


class Pair(EnsembleCritic):
    def forward(self, features, actions, training=False):
        return super().forward(features, actions, training), None


class Signless(EnsembleCritic):
    def td_errors(self, outputs, target):
        return super().td_errors(outputs, target).mean()


class FlatLogProb(SquashedGaussianActor):
    def action_log_prob(self, features, training=False):
        actions, log_prob = super().action_log_prob(features, training)
        return actions, log_prob.squeeze(-1)


class ActionsOnly(SquashedGaussianActor):
    def action_log_prob(self, features, training=False):
        return super().action_log_prob(features, training)[0]


class Twice(DeterministicActor):
    def forward(self, features, deterministic=False, training=False):
        return 3 + super().forward(features, deterministic, training)


class NarrowFeatures(OwnFlatten):
    def forward(self, observations, training=False):
        return super().forward(observations, training)[:, 1:]


class OtherWidths(OwnFlatten):
    def critic_inputs(self, features, actions):
        return features[:, 1:], actions


class NotFinite(OwnFlatten):
    def forward(self, observations, training=False):
        return super().forward(observations, training) / 0


class Number(MSELoss):
    def forward(self, outputs, target):
        return 0.5


class FixedLoss(MSELoss):
    def forward(self, outputs, target):
        return (target - outputs.detach()).square().mean()


class BringsNone(SquashedGaussianActor):
    def learners(self, policy):
        yield Learner("idle", {"actor": self}, policy.actor.optimizer, lambda step: (None, {}))


class Tensors(ChangesInPlace):
    def forward(self, batch):
        return batch.rewards


class BrokenConstructor(MLP):
    def __init__(self, in_features: int, n_members: int) -> None:
        raise KeyError("no such size")


class Cubic(nn.Module):
    def forward(self, outputs, target):
        return (outputs - target).abs().pow(3).mean()


class HalfCubic(Cubic):
    soft_weight = 0.5


def from_function():
    return lambda outputs, target: (outputs - target).square().mean()


class Dropped(FlattenExtractor):
    def __init__(self, observation_space: Any) -> None:
        super().__init__(observation_space)
        self.flatten = nn.Sequential(nn.Flatten(), nn.Dropout())


class Panics(Cubic):
    def forward(self, outputs, target):
        raise BaseException("panic")


class Vector(Cubic):
    def forward(self, outputs, target):
        return (outputs - target).square()[0]


class Counts(MLP):
    def __init__(self, in_features: int, n_members: int) -> None:
        super().__init__(in_features, n_members, 8)
        self.calls = 0
        self.register_buffer("mean", torch.zeros(1))

    def forward(self, x, training=False):
        self.calls += 1
        self.mean.add_(torch.rand(1))
        random.random(), np.random.rand()
        return super().forward(x, training)


def foreign(module: nn.Module, lr: float):
    return torch.optim.SGD([nn.Parameter(torch.ones(1))], lr)


OFFERED = {
    specs.Norm: (Flat, InPlaceNorm),
    specs.Network: (
        WrongWidth, DoubleNet, Stumbles, StumblesInEvaluation, Cut, BrokenConstructor, Counts
    ),
    specs.Value: (OnePerBatch,),
    specs.Reduction: (Members,),
    specs.Critic: (Wide, Pair, Signless),
    specs.Actor: (FlatLogProb, ActionsOnly, Twice, BringsNone),
    specs.Extractor: (
        NarrowFeatures, OtherWidths, NotFinite, FlattenExtractor, CombinedExtractor, Dropped
    ),
    specs.Loss: (
        PerSample, NotANumber, Number, FixedLoss, Cubic, HalfCubic, from_function, Vector, Panics
    ),
    specs.Transform: (ChangesInPlace, ShortensBatches, Tensors),
    specs.Optimizer: (foreign, weights_only),
}  # fmt: skip


@pytest.fixture(autouse=True)
def plugin() -> Iterator[None]:
    class Plugin:
        @hookimpl
        def sb3_scale_components(self):
            for kind, parts in OFFERED.items():
                for part in parts:
                    yield kind(part.__name__, f"{part.__module__}:{part.__name__}")

    assert manager().register(Plugin(), "tried").reason == ""
    yield
    manager().unregister("tried")


def make(parts: dict[str, Any], algorithm: Any = SAC, env: Any = "Pendulum-v1", **settings: Any):
    return algorithm("ScalePolicy", env, policy_kwargs=parts, **{**SETTINGS, **settings})


def network(name: str) -> dict[str, Any]:
    return {"critic": {"name": "ensemble", "network": {"name": name}}}


def norm(name: str) -> dict[str, Any]:
    return {"critic": {"name": "ensemble", "network": {**SMALL, "norm": name}}}


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (norm("Flat"), "norm 'Flat' gives the shape (4, 16) in forward for a batch of 2; allowed: "
         "(2, 2, 16)"),
        (norm("InPlaceNorm"), "norm 'InPlaceNorm' changes its input in place in forward; allowed: "
         "a new tensor"),
        (network("WrongWidth"), "network 'WrongWidth' gives the shape (2, 2, 255) in forward for "
         "a batch of 2; allowed: (2, 2, 256)"),
        (network("DoubleNet"), "network 'DoubleNet' gives torch.float64 in forward; allowed: "
         "torch.float32"),
        (network("Stumbles"), "network 'Stumbles' fails in forward: RuntimeError: "),
        (network("StumblesInEvaluation"), "network 'StumblesInEvaluation' fails in forward: "
         "IndexError: list index out of range"),
        (network("Cut"), "network 'Cut' cuts the gradient in forward; allowed: "),
        (network("BrokenConstructor"), "network 'BrokenConstructor' with {} cannot be made: "
         "KeyError: 'no such size'"),
        ({"critic": {"name": "ensemble", "value": "OnePerBatch"}},
         "value 'OnePerBatch' gives the shape (2, 1) in distribution for a batch of 2; allowed: "
         "(2, 2, 1)"),
        ({"critic": {"name": "ensemble", "reduction": "Members"}},
         "reduction 'Members' gives the shape (2, 2, 1) in actor for a batch of 2; allowed: "
         "(2, 1)"),
        ({"critic": "Wide"}, "critic 'Wide' gives the shape (2, 2) in judge for a batch of 2; "
         "allowed: (2, 1)"),
        ({"critic": "Pair"}, "critic 'Pair' gives an object of type tuple in forward; "),
        ({"critic": "Signless"}, "critic 'Signless' gives the shape () in td_errors for a batch "
         "of 2; allowed: (2)"),
        ({"actor": "FlatLogProb"}, "actor 'FlatLogProb' gives the shape (2) in action_log_prob, "
         "as log-probabilities for a batch of 2; allowed: (2, 1)"),
        ({"actor": "ActionsOnly"}, "actor 'ActionsOnly' gives an object of type Tensor in "
         "action_log_prob; allowed: actions and their log-probabilities"),
        ({"actor": "BringsNone"}, "the loss of learner 'idle' is no single number; allowed: "),
        ({"extractor": "NarrowFeatures"}, "extractor 'NarrowFeatures' gives the shape (2, 2) in "
         "forward for a batch of 2; allowed: (2, 3)"),
        ({"extractor": "OtherWidths"}, "extractor 'OtherWidths' gives the shape (2, 2) in "
         "critic_inputs for a batch of 2; allowed: (2, 3)"),
        ({"extractor": "NotFinite"}, "extractor 'NotFinite' gives a number that is not finite in "
         "forward; allowed: finite numbers"),
        ({"loss": "PerSample"}, "loss 'PerSample' gives the shape (2) in forward for a batch of "
         "2; allowed: ()"),
        ({"loss": "Vector"}, "loss 'Vector' gives the shape (2, 1) in forward for a batch of 2; "
         "allowed: ()"),
        ({"loss": "NotANumber"}, "loss 'NotANumber' gives a number that is not finite in forward"),
        ({"loss": "Panics"}, "loss 'Panics' fails in forward: BaseException: panic"),
        ({"loss": "Number"}, "loss 'Number' gives an object of type float in forward; "),
        ({"loss": "FixedLoss"}, "loss 'FixedLoss' cuts the gradient in forward; allowed: "),
        ({"transforms": ["ChangesInPlace"]}, "transform 'ChangesInPlace' changes its input in "
         "place in forward; allowed: a new tensor"),
        ({"transforms": ["ShortensBatches"]}, "transform 'ShortensBatches' gives a tensor of "
         "((1, 1), torch.float32) in forward; allowed: "),
        ({"transforms": ["Tensors"]}, "transform 'Tensors' gives an object of type Tensor in "
         "forward; allowed: a Batch"),
        ({"critic_optimizer": "foreign"}, "optimizer 'foreign' trains parameters that are not "
         "those of the module that it was given; allowed: its parameters"),
        ({"critic_optimizer": "weights_only"}, "optimizer 'weights_only' leaves out 5 of the "
         "6 parameters that it was given, '1.network.linears.0.bias' the first; allowed: "
         "all of them"),
    ],
)  # fmt: skip
def test_a_part_that_breaks_its_contract_is_named(parts: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError) as caught:
        make(parts)
    told = str(caught.value)
    assert told.startswith(sentence)
    assert "\n" not in told


def test_actions_that_leave_the_box_are_told() -> None:
    with pytest.raises(Sb3ScaleError, match=r"actor 'Twice' gives the action \S+; allowed: -1 to"):
        make({"actor": "Twice"}, TD3)


@pytest.mark.parametrize("loss", ["Cubic", "HalfCubic", "from_function"])
def test_a_plain_function_of_outputs_and_target_trains(loss: str) -> None:
    model = make({"loss": loss}).learn(6)
    assert model.policy.loss.soft_weight == (0.5 if loss == "HalfCubic" else 1)
    assert model._n_updates > 0


def test_an_extractor_of_the_library_trains() -> None:
    assert make({"extractor": "FlattenExtractor"}).learn(6)._n_updates > 0
    dropped = make({"extractor": "Dropped"}).learn(6)
    observations = dropped.sample(4).observations
    evaluated, again, trained, other = (
        dropped.policy.features(observations, training) for training in (False, False, True, True)
    )
    assert evaluated.equal(again)
    assert not trained.equal(other)
    with pytest.raises(Sb3ScaleError, match=r"extractor 'CombinedExtractor' with \{}"):
        make({"extractor": "CombinedExtractor"})


def test_the_trial_step_leaves_no_trace() -> None:
    model = make(network("Counts"), seed=3)
    counts = model.policy.critic.network
    assert counts.calls == 0
    assert float(counts.mean) == 0
    assert "forward" not in vars(counts)
    states = random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    try_parts(model.policy, model.learners, [])
    assert counts.calls == 0
    assert float(counts.mean) == 0
    assert random.getstate() == states[0]
    assert np.random.get_state()[1].tolist() == states[1]
    assert torch.equal(torch.get_rng_state(), states[2])


@pytest.mark.parametrize(
    "space",
    [
        gym.spaces.Box(-3.4e38, 3.4e38, (2,), np.float32),
        gym.spaces.Box(5, np.inf, (2,), np.float64),
        gym.spaces.Discrete(3),
        gym.spaces.MultiDiscrete([2, 3]),
        gym.spaces.Dict(a=gym.spaces.Box(-1, 1, (2,)), b=gym.spaces.Discrete(2)),
    ],
    ids=str,
)
def test_any_space_can_be_tried(space: gym.Space) -> None:
    class Still(gym.Env):
        observation_space, action_space = space, gym.spaces.Box(-1, 1, (1,))

    assert make({}, env=Still()).policy.observation_space == space
