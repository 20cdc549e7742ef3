"""The projection, and the two theorems that it rests on."""

from typing import Any

import numpy as np
import pytest
import torch

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.algorithms.contracts import check_constraint
from sb3_scale.built import Built
from sb3_scale.nn.base import ConstrainedModule
from sb3_scale.nn.linear import EnsembleLinear, linear_layers
from sb3_scale.nn.norms import EnsembleLayerNorm
from sb3_scale.nn.unit_norm import UnitNormConstraint
from sb3_scale.parts import build, spec_of
from sb3_scale.testing import check_component

BATCH_NORM = {"name": "mlp", "width": 8, "norm": "batch"}


def norms(module: torch.nn.Module, per: str, bias: bool) -> list[np.ndarray]:
    """Norms of each layer's neurons or matrices, by numpy in double precision."""
    found = []
    for layer in linear_layers(module):
        weight = layer.weight.detach().double().numpy()
        if bias:
            weight = np.concatenate([weight, layer.bias.detach().double().numpy()], axis=1)
        axes = 1 if per == "neuron" else (1, 2)
        found.append(np.sqrt((weight**2).sum(axis=axes)))
    return found


@pytest.mark.parametrize("per", ["neuron", "matrix"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("output_layer", [True, False])
def test_norms_stay_one(per: str, bias: bool, output_layer: bool) -> None:
    """After each of 200 updates, in critic, target and actor."""
    constraint = {"name": "unit-norm", "per": per, "bias": bias, "output_layer": output_layer}
    parts: dict[str, Any] = {
        "actor": {"name": "squashed-gaussian", "network": BATCH_NORM, "constraint": constraint},
        "critic": {
            "name": "ensemble",
            "joint_batch": True,
            "network": BATCH_NORM,
            "constraint": constraint,
        },
        "optimizer": {"name": "adamw", "weight_decay": {"output": 0.01}},
    }
    model = SAC(
        "ScalePolicy", "Pendulum-v1", learning_rate=3e-3, learning_starts=30, batch_size=16,
        policy_kwargs=parts, seed=0, device="cpu",
    )  # fmt: skip
    policy = model.policy

    def check() -> None:
        for module in (policy.critic, policy.critic_target, policy.actor):
            hidden = norms(module, per, bias)[:-1]
            assert len(hidden) == 2
            for norm in hidden:
                np.testing.assert_allclose(norm, 1, atol=1e-6)
            output = norms(module, per, False)[-1]
            if output_layer:
                np.testing.assert_allclose(output, 1, atol=1e-6)
            else:
                assert np.abs(output - 1).max() > 1e-3

    check()
    model.learn(40)
    for _ in range(200):
        model.train(1, 16)
        check()


def function(scale: float) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Outputs of a batch-normalised critic whose first layer is scaled, and its gradients."""
    torch.manual_seed(0)
    config = {
        "name": "ensemble",
        "network": {**BATCH_NORM, "norm": {"name": "batch", "eps": 1e-12}},
    }
    critic = build("critic", config, 3, 2).double()
    layer = linear_layers(critic)[0]
    with torch.no_grad():
        layer.weight.mul_(scale)
        layer.bias.mul_(scale)
    features, actions = torch.randn(12, 3).double(), torch.randn(12, 2).double()
    outputs = critic(features, actions, training=True)
    weight, bias = torch.autograd.grad(outputs.square().sum(), [layer.weight, layer.bias])
    return outputs.detach(), weight, bias


@pytest.mark.parametrize("scale", [0.1, 2.0, 30.0])
def test_theorems_4_1_and_4_2(scale: float) -> None:
    """The output does not depend on the scale, the gradient is inversely proportional to it."""
    outputs, weight, bias = function(1.0)
    scaled_outputs, scaled_weight, scaled_bias = function(scale)
    torch.testing.assert_close(scaled_outputs, outputs)
    torch.testing.assert_close(scaled_weight, weight / scale)
    assert weight.abs().max() > 1e-3
    torch.testing.assert_close(scaled_bias, bias / scale, atol=1e-8, rtol=1e-6)


def test_projection_by_hand() -> None:
    critic = build("critic", {"name": "ensemble", "n_critics": 1, "network": BATCH_NORM}, 1, 1)
    layer = linear_layers(critic)[0]
    with torch.no_grad():
        layer.weight[0, :, 0] = torch.tensor([2.0, 4.0])
        layer.bias[0, 0, 0] = -4.0
    build("constraint", "unit-norm", linear_layers(critic)).project_()
    np.testing.assert_allclose(layer.weight[0, :, 0].detach(), [1 / 3, 2 / 3], rtol=1e-6)
    np.testing.assert_allclose(layer.bias[0, 0, 0].detach(), -2 / 3, rtol=1e-6)


@pytest.mark.parametrize("bias", [True, False])
def test_layers_without_bias(bias: bool) -> None:
    """What the constraint says of biases is then without effect."""
    network = {**BATCH_NORM, "bias": False}
    constraint = {"name": "unit-norm", "bias": bias}
    critic = build(
        "critic",
        {"name": "ensemble", "network": network, "constraint": constraint, "init": "orthogonal"},
        3,
        2,
    )
    first, second, output = linear_layers(critic)
    assert (first.bias, second.bias) == (None, None)
    assert not output.bias.any()
    for layer in (first, second):
        weight = layer.weight.detach().double().numpy()
        np.testing.assert_allclose((weight**2).sum(axis=1), 1, atol=1e-6)


def parameters_of_norms(critic: Any) -> list[np.ndarray]:
    """Scale and shift of each norm, ``(m, 2 d)``, in double precision."""
    found = []
    for norm in [critic.network.input_norm, *critic.network.norms]:
        both = [each.detach().double().numpy()[:, 0] for each in norm.parameters()]
        found.append(np.concatenate(both, axis=1))
    return found


@pytest.mark.parametrize("norm", ["batch", "layer", "rms"])
def test_scale_and_shift_of_norms_on_a_sphere(norm: str) -> None:
    config = {
        "name": "ensemble",
        "network": {**BATCH_NORM, "norm": norm, "norm_input": True},
        "constraint": {"name": "unit-norm", "norm_params": True},
    }
    torch.manual_seed(0)
    critic = build("critic", config, 3, 2)
    for parameter in critic.parameters():
        torch.nn.init.normal_(parameter)
    before = parameters_of_norms(critic)
    critic.project_()
    for old, new, size in zip(before, parameters_of_norms(critic), (5, 8, 8), strict=True):
        wanted = old / np.sqrt((old**2).sum(axis=1, keepdims=True)) * np.sqrt(size)
        np.testing.assert_allclose(new, wanted, rtol=1e-5)


class TwoHeads(ConstrainedModule):
    """Mean and deviation have an output each."""

    def __init__(self, init: str, constraint: Any) -> None:
        super().__init__()
        self.hidden = EnsembleLinear(3, 8, 2)
        self.mean = EnsembleLinear(8, 4, 2, output=True)
        self.log_std = EnsembleLinear(8, 4, 2, output=True)
        self.initialize(init, constraint, output_gain=0.01)


@pytest.mark.parametrize("output_layer", [False, True])
def test_all_outputs_are_treated_alike(output_layer: bool) -> None:
    torch.manual_seed(0)
    module = TwoHeads("default", {"name": "unit-norm", "output_layer": output_layer})
    hidden, *outputs = linear_layers(module)
    norm = torch.cat((hidden.weight, hidden.bias), 1).square().sum(1)
    assert norm.sub(1).abs().max() < 1e-6
    for layer in outputs:
        is_one = layer.weight.square().sum(1).sub(1).abs() < 1e-6
        assert bool(is_one.all()) == output_layer
        assert bool(is_one.any()) == output_layer


def test_all_outputs_begin_alike() -> None:
    hidden, *outputs = linear_layers(TwoHeads("orthogonal", None))
    for layer, gain in ((hidden, np.sqrt(2)), *((each, 0.01) for each in outputs)):
        values = torch.linalg.svdvals(layer.weight.detach().double())
        np.testing.assert_allclose(values, gain, rtol=1e-5)


def test_norm_params_without_norms_is_told() -> None:
    config = {"name": "ensemble", "constraint": {"name": "unit-norm", "norm_params": True}}
    with pytest.raises(Sb3ScaleError, match="norm_params is true, and no norm has a scale; allow"):
        build("critic", config, 3, 2)


def test_contract() -> None:
    check_component("constraint", "unit-norm")


def test_a_check_before_the_training_leaves_the_parameters_of_norms_as_they_are() -> None:
    torch.manual_seed(0)
    layer, norm = EnsembleLinear(3, 7, 2), EnsembleLayerNorm(7, 2)
    with torch.no_grad():
        norm.weight.normal_()
    context = ([layer], [[norm.weight, norm.bias]])
    constraint = UnitNormConstraint(*context, norm_params=True)
    before = [each.detach().clone() for each in (layer.weight, layer.bias, norm.weight, norm.bias)]
    check_constraint(Built(spec_of("constraint", "unit-norm"), constraint, context))
    for now, value in zip((layer.weight, layer.bias, norm.weight, norm.bias), before, strict=True):
        assert torch.equal(now, value)
