"""The figures of diagnostics, against numpy."""

from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from diagnosed_models import MODELS, SETTINGS, figures, modern, started, trained
from small_models import OFENET, make
from stable_baselines3.common.logger import configure

from sb3_scale import SAC, TD3
from sb3_scale.diagnostics.dormant_units import recorded
from sb3_scale.parts import build


def layers(part: Any) -> dict[str, Any]:
    return {name: layer for name, layer in part.named_modules() if hasattr(layer, "in_features")}


def approx(value: float) -> Any:
    return pytest.approx(value, rel=1e-4)


@MODELS
def test_weight_norm(model: Any) -> None:
    model = trained(model)
    started("weight-norm", model).measure()
    found = figures(model, "weight-norm")
    for part in ("actor", "critic"):
        total = 0.0
        for name, layer in layers(getattr(model.policy, part)).items():
            weight = layer.weight.detach().double().numpy()
            norm = np.mean([np.sqrt((member**2).sum()) for member in weight])
            assert found.pop(f"{part}/{name}") == approx(norm)
            total += norm
        assert found.pop(f"{part}/sum") == approx(total)
    assert not found


def adam_updates(optimizer: Any) -> dict[int, np.ndarray]:
    """The last update of each parameter, from what Adam remembers."""
    updates = {}
    for group in optimizer.param_groups:
        first, second = group["betas"]
        for parameter in group["params"]:
            state = {
                key: value.double().numpy() for key, value in optimizer.state[parameter].items()
            }
            mean = state["exp_avg"] / (1 - first ** state["step"])
            square = state["exp_avg_sq"] / (1 - second ** state["step"])
            updates[id(parameter)] = group["lr"] * mean / (np.sqrt(square) + group["eps"])
    return updates


@MODELS
def test_effective_learning_rate(model: Any) -> None:
    """Also in the critic of CrossQ here, whose weights are projected after the step."""
    model = trained(model)
    callback = started("effective-learning-rate", model)
    callback.measure()
    left = {"actor", "critic"}
    while left:
        before = deepcopy(model.policy)
        model.train(1, 16)
        callback.on_step()
        found = figures(model, "effective-learning-rate")
        for part in sorted(left):
            if part not in found:
                continue
            left.remove(part)
            module = getattr(model.policy, part)
            updates = adam_updates(module.optimizer)
            ratios = []
            for name, layer in layers(module).items():
                old = layers(getattr(before, part))[name].weight.detach().double().numpy()
                update = updates[id(layer.weight)]
                pairs = zip(update, old, strict=True)
                ratios.append(np.mean([np.linalg.norm(u) / np.linalg.norm(w) for u, w in pairs]))
                assert found[f"{part}/{name}"] == pytest.approx(ratios[-1], rel=1e-2)
            assert found[part] == pytest.approx(np.mean(ratios), rel=1e-2)


@MODELS
def test_gradient_norm(model: Any) -> None:
    model = trained(model)
    callback = started("gradient-norm", model)
    callback.measure()
    left = {"actor", "critic"}
    while left:
        model.train(1, 16)
        callback.on_step()
        found = figures(model, "gradient-norm")
        for part in sorted(left & set(found)):
            left.remove(part)
            gradients = [
                par.grad.double().numpy() for par in getattr(model.policy, part).parameters()
            ]
            assert found[part] == approx(np.sqrt(sum((grad**2).sum() for grad in gradients)))


def test_gradient_norm_is_that_before_clipping() -> None:
    free, clipped = make(SAC).learn(60), make(SAC).learn(60)
    clipped.set_logger(configure(None, []))
    clipped.max_grad_norm = 1e-3
    for model in (free, clipped):
        callback = started("gradient-norm", model)
        callback.measure()
        np.random.seed(0)
        torch.manual_seed(0)
        model.train(1, 16)
        callback.on_step()
    expected = figures(free, "gradient-norm")
    assert figures(clipped, "gradient-norm") == pytest.approx(expected, rel=1e-3)
    assert clipped.policy.critic.output.weight.grad.norm() < 1e-3


@MODELS
def test_singular_values(model: Any) -> None:
    model = trained(model)
    started("singular-values", model).measure()
    found = figures(model, "singular-values")
    for part in ("actor", "critic"):
        largest = []
        for name, layer in layers(getattr(model.policy, part)).items():
            weight = layer.effective_weight().double().numpy()
            largest.append(np.linalg.svd(weight, compute_uv=False)[:, 0].mean())
            assert found.pop(f"{part}/{name}") == approx(largest[-1])
        assert found.pop(f"{part}/max") == approx(max(largest))
    assert not found


def batch(model: Any, size: int) -> Any:
    np.random.seed(model.num_timesteps)
    return model.replay_buffer.sample(size)


def numpy_mlp(part: Any, x: np.ndarray, member: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Hidden outputs and output of one member, without norms."""
    hidden = []
    for layer in (*part.network.linears, part.output):
        weight, bias = (par[member].detach().double().numpy() for par in (layer.weight, layer.bias))
        x = x @ weight + bias
        if layer is not part.output:
            x = np.maximum(x, 0)
            hidden.append(x)
    return hidden, x


@pytest.mark.parametrize("algorithm", [SAC, TD3])
def test_q_value(algorithm: Any) -> None:
    model = make(algorithm).learn(60)
    started("q-value", model, batch_size=32).measure()
    data = batch(model, 32)
    x = torch.cat((data.observations, data.actions), 1).double().numpy()
    values = np.minimum(*(numpy_mlp(model.policy.critic, x, member)[1] for member in (0, 1)))
    found = figures(model, "q-value")
    assert found == {"mean": approx(values.mean()), "std": approx(values.std())}


def test_critic_loss() -> None:
    """Without noise in the target the loss of TD3 is a function of the batches."""
    model = make(TD3, target_policy_noise=0.0).learn(60)
    started("critic-loss", model, batches=3).measure()
    policy = model.policy
    np.random.seed(model.num_timesteps)
    losses = []
    for data in [model.replay_buffer.sample(model.batch_size) for _ in range(3)]:
        next_observations = data.next_observations.double().numpy()
        next_actions = policy.actor_target(data.next_observations).clamp(-1, 1).detach().numpy()
        pairs = np.concatenate((next_observations, next_actions), 1)
        following = [numpy_mlp(policy.critic_target, pairs, member)[1] for member in (0, 1)]
        left = model.gamma * (1 - data.dones.numpy())
        target = data.rewards.numpy() + left * np.minimum(*following)
        x = torch.cat((data.observations, data.actions), 1).double().numpy()
        values = [numpy_mlp(policy.critic, x, member)[1] for member in (0, 1)]
        losses.append(sum(((value - target) ** 2).mean() for value in values))
    assert figures(model, "critic-loss") == {"mean": approx(np.mean(losses))}


@pytest.mark.parametrize("algorithm", [SAC, TD3])
def test_dormant_units(algorithm: Any) -> None:
    model = make(algorithm).learn(60)
    critic = model.policy.critic
    # One unit that never reacts, in one of the two members.
    critic.network.linears[0].bias.data[0, 0, 3] = -1e6
    started("dormant-units", model, threshold=0.4, batch_size=32).measure()
    data = batch(model, 32)
    observations, actions = (x.double().numpy() for x in (data.observations, data.actions))
    inputs = {"actor": [observations], "critic": [np.concatenate((observations, actions), 1)] * 2}
    found = figures(model, "dormant-units")
    for part, per_member in inputs.items():
        members = [
            numpy_mlp(getattr(model.policy, part), x, i)[0] for i, x in enumerate(per_member)
        ]
        everything = []
        for depth, outputs in enumerate(zip(*members, strict=True)):
            activity = [np.abs(output).mean(0) for output in outputs]
            dormant = np.concatenate([score / score.mean() <= 0.4 for score in activity])
            assert found.pop(f"{part}/network.activation.{depth}") == approx(dormant.mean())
            everything.append(dormant)
        assert found.pop(f"{part}/all") == approx(np.concatenate(everything).mean())
    assert not found


def test_dormant_units_sees_each_block() -> None:
    model = trained(modern)
    model.policy.critic.network.blocks[0].expand.bias.data[:] = -1e6
    started("dormant-units", model).measure()
    found = figures(model, "dormant-units")
    assert found["critic/network.blocks.0.activation.0"] == found["critic/all"] == 1
    assert found["actor/network.blocks.0.activation.0"] < 1


@pytest.mark.parametrize(
    "network",
    ["bronet", "d2rl", "densenet", "flashsac", "mlp", "modern", "resnet", "simba", "simbav2"],
)
def test_dormant_units_sees_the_activations_of_all_networks(network: str) -> None:
    module = build("network", network, 3, 2)
    with recorded(module) as outputs:
        module(torch.randn(2, 5, 3))
    assert outputs
    for output in outputs.values():
        assert output.shape[:2] == (2, 5)


def test_an_extractor_that_learns_is_measured_too() -> None:
    model = make(SAC, extractor=OFENET).learn(40)
    names = ("weight-norm", "singular-values", "gradient-norm", "effective-learning-rate")
    callbacks = [started(name, model) for name in names]
    for callback in callbacks:
        callback.measure()
    extractor = model.policy.extractor
    before = {
        name: layer.weight.detach().double().numpy().copy()
        for name, layer in layers(extractor).items()
    }
    model.train(1, 16)
    for callback in callbacks:
        callback.on_step()
    found = {name: figures(model, name) for name in names}
    norms = {name: np.linalg.norm(weight[0]) for name, weight in before.items()}
    values = {name: np.linalg.norm(weight[0], 2) for name, weight in before.items()}
    assert len(norms) == 5
    for name in norms:
        assert found["weight-norm"][f"extractor/{name}"] == approx(norms[name])
        assert found["singular-values"][f"extractor/{name}"] == approx(values[name])
        after = layers(extractor)[name].weight.detach().double().numpy()
        rate = np.linalg.norm(after - before[name]) / norms[name]
        assert found["effective-learning-rate"][f"extractor/{name}"] == approx(rate)
    assert found["weight-norm"]["extractor/sum"] == approx(sum(norms.values()))
    assert found["singular-values"]["extractor/max"] == approx(max(values.values()))
    squares = [(par.grad.double().numpy() ** 2).sum() for par in extractor.parameters()]
    assert found["gradient-norm"]["extractor"] == approx(np.sqrt(sum(squares)))
    for each in found.values():
        assert {name.partition("/")[0] for name in each} == {"actor", "critic", "extractor"}


def test_the_policy_for_exploration_is_left_out() -> None:
    parts = {
        "actor": {"name": "optimistic", "network": {"name": "mlp", "width": 8}},
        "critic": {"name": "ensemble", "network": {"name": "mlp", "width": 8}},
    }
    model = SAC("ScalePolicy", "Pendulum-v1", policy_kwargs=parts, **SETTINGS).learn(40)
    callbacks = [started(name, model) for name in ("gradient-norm", "effective-learning-rate")]
    for callback in callbacks:
        callback.measure()
    model.train(1, 16)
    for callback in callbacks:
        callback.on_step()
    found = figures(model, "effective-learning-rate")
    assert "actor/policy.output" in found
    assert not any("shift" in name for name in found)
    assert min(found.values()) > 0
    # After the step of the policy the optimiser steps the shift, so no gradient is left to compare.
    assert model.policy.actor.policy.output.weight.grad is None
    assert figures(model, "gradient-norm")["actor"] > 0
