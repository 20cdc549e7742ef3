"""``autocast: true``: products of rounded numbers, and everything else as without."""

from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.logger import Logger
from test_compiled import NETWORK, make

from sb3_scale import SAC, Extractor
from sb3_scale.execution.matmul_precision import bfloat16_matmul
from sb3_scale.learning.batch import Step
from sb3_scale.nn import base
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.testing.part_under_test import offered

CPU = torch.device("cpu")
STEP = 2.0**-8
"""Half of the distance from 1 to the next number in bfloat16."""


def rounded(x: torch.Tensor) -> np.ndarray:
    """To bfloat16 by hand: the upper 16 bits of a float32, ties to even."""
    bits = x.detach().numpy().view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


def test_a_product_is_that_of_rounded_inputs() -> None:
    torch.manual_seed(0)
    layer = EnsembleLinear(19, 7, 2)
    x = torch.randn(2, 11, 19)
    found = bfloat16_matmul(layer, CPU)(x)
    bias = layer.bias.detach().double().numpy()
    by_hand = rounded(x) @ rounded(layer.weight) + bias
    assert found.dtype == torch.float32
    # The product itself comes back in bfloat16, before the bias is added.
    np.testing.assert_allclose(found.detach().numpy() - bias, by_hand - bias, rtol=STEP, atol=1e-5)
    assert np.abs(layer(x).detach().numpy() - by_hand).max() > 1e-4


def test_outputs_are_not_rounded() -> None:
    torch.manual_seed(0)
    layer, x = EnsembleLinear(19, 7, 2, output=True), torch.randn(2, 11, 19)
    assert torch.equal(bfloat16_matmul(layer, CPU)(x), layer(x))
    rounded_before = bfloat16_matmul(lambda: layer(torch.bmm(x, torch.ones(2, 19, 19))), CPU)()
    assert rounded_before.dtype == torch.float32


def gradients(model: Any) -> list[torch.Tensor]:
    torch.manual_seed(0)
    np.random.seed(0)
    step = Step(model.sample(256))
    learners = (model.learners.critic, model.learners.actor)
    return [each for learner in learners for each in learner.compute(step)[1]]


@pytest.mark.parametrize("kind", ["sac", "td3", "crossq", "modern"])
def test_gradients_are_near_those_of_float32(kind: str) -> None:
    models = [make(kind, autocast=autocast).learn(40) for autocast in (False, True)]
    models[1].policy.load_state_dict(models[0].policy.state_dict())
    models[1].replay_buffer = models[0].replay_buffer
    exact, found = map(gradients, models)
    assert all(each.dtype == torch.float32 for each in found)
    difference = torch.cat([(a - b).flatten() for a, b in zip(found, exact, strict=True)]).norm()
    norm = torch.cat([each.flatten() for each in exact]).norm()
    assert 1e-4 < difference / norm < 0.03


def test_parameters_optimisers_and_actions_stay_float32() -> None:
    model = make("crossq", autocast=True)
    model.set_logger(Logger(None, []))
    model.learn(40)
    tensors = [*model.policy.state_dict().values()]
    for learner in model.learners:
        states = learner.optimizer.state.values()
        tensors += [value for state in states for value in state.values()]
    assert {each.dtype for each in tensors if each.is_floating_point()} == {torch.float32}
    observation = np.ones(3, np.float32)
    plain = make("crossq")
    plain.policy.load_state_dict(model.policy.state_dict())
    actions = [each.predict(observation, deterministic=True)[0] for each in (model, plain)]
    assert np.array_equal(*actions)


@pytest.mark.slow
def test_it_compiles() -> None:
    exact, eager, compiled = (
        make("crossq", autocast=autocast, compile=compile_)
        for autocast, compile_ in ((False, False), (True, False), (True, True))
    )
    found = []
    for model in (exact, eager, compiled):
        model.learn(31)
        model.policy.load_state_dict(exact.policy.state_dict())
        model.replay_buffer = exact.replay_buffer
        found.append(torch.cat([each.flatten() for each in gradients(model)]))
    rounding = (found[1] - found[0]).norm()
    assert (found[2] - found[1]).norm() < rounding


class Learned(base.Extractor):
    """A learned extractor of PyTorch's own layers, whose results autocast rounds."""

    def __init__(self, observation_space: Any) -> None:
        super().__init__()
        self.features_dim = 6
        self.linear = torch.nn.Linear(3, 6)

    def forward(self, observations: torch.Tensor, training: bool = False) -> torch.Tensor:
        return self.linear(observations)


@pytest.mark.parametrize("actor", ["squashed-gaussian", "optimistic"])
def test_features_stay_float32(actor: str) -> None:
    with offered(Extractor("learned", f"{__name__}:Learned")):
        parts = {"extractor": "learned", "actor": {"name": actor, "network": NETWORK}}
        model = SAC(
            "ScalePolicy",
            "Pendulum-v1",
            learning_starts=20,
            buffer_size=100,
            autocast=True,
            seed=0,
            device="cpu",
            policy_kwargs=parts,
        ).learn(25)
        step = Step(model.sample(16))
        model.learners.critic.compute(step)
    assert step.features.dtype == step.next_features.dtype == torch.float32
