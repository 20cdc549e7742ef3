"""Target, loss and gradient of DrQ, by an independent computation, view by view."""

from typing import Any

import pytest
import torch
from pictures import ENCODER, NETWORK, make
from torch import Tensor
from torch.distributions import Normal, TanhTransform, TransformedDistribution
from torch.nn.functional import conv2d, layer_norm, mse_loss

from sb3_scale import TD3
from sb3_scale.learning.batch import Batch, Step


def filled(**changes: Any) -> Any:
    model = make(**changes)
    # Some gradient steps, so that the target differs from the critic.
    model.learn(24)
    return model


def views(model: Any, batch: Batch, seed: int) -> tuple[Batch, Tensor]:
    """The batch that the transform gives, and the noise that is drawn next."""
    torch.manual_seed(seed)
    (transform,) = model.policy.transforms
    made = transform(batch)
    return made, torch.randn(made.next_copies * len(batch), 2)


def convolved(encoder: Any, image: Tensor) -> Tensor:
    x = image.float() / 255
    for layer in encoder.convolutions:
        kernel = layer.weight[0].view(3, 3, layer.in_channels, -1).permute(3, 2, 0, 1)
        x = conv2d(x, kernel, layer.bias[0, 0], layer.stride).relu()
    return x.permute(0, 2, 3, 1).flatten(1)


def trunk(part: Any, x: Tensor) -> Tensor:
    linear = part.linear
    y = layer_norm(x @ linear.weight[0] + linear.bias[0], (5,))
    return torch.tanh(y * part.norm.weight[0] + part.norm.bias[0])


def head(part: Any, x: Tensor, member: int) -> Tensor:
    network = part.network
    for linear in getattr(network, "network", network).linears:
        x = (x @ linear.weight[member] + linear.bias[member]).relu()
    return x @ part.output.weight[member] + part.output.bias[member]


def q_values(extractor: Any, critic: Any, image: Tensor, actions: Tensor) -> list[Tensor]:
    read = torch.cat((trunk(extractor.trunk, convolved(extractor, image)), actions), dim=1)
    return [head(critic, read, member) for member in range(2)]


def drq_loss(model: Any, batch: Batch, made: Batch, noise: Tensor) -> Tensor:
    """The sum over the copies of s of the errors of both critics, as the released code has it."""
    policy, size = model.policy, len(batch)
    alpha = float(model.ent_coef_value())
    targets = []
    with torch.no_grad():
        for image, eps in zip(made.next_observations.split(size), noise.split(size), strict=True):
            read = trunk(policy.actor.network.trunk, convolved(policy.extractor, image))
            mean, log_std = head(policy.actor, read, 0).chunk(2, dim=1)
            std = log_std.clamp(-20, 2).exp()
            actions = (mean + std * eps).tanh()
            squashed = TransformedDistribution(Normal(mean, std), TanhTransform(cache_size=1))
            log_prob = squashed.log_prob(actions.clamp(-0.999999, 0.999999)).sum(1, keepdim=True)
            values = q_values(policy.extractor_target, policy.critic_target, image, actions)
            value = torch.min(*values) - alpha * log_prob
            targets.append(batch.rewards + batch.discounts * value)
        target = sum(targets) / len(targets)
    return sum(
        mse_loss(value, target)
        for image in made.observations.split(size)
        for value in q_values(policy.extractor, policy.critic, image, batch.actions)
    )


@pytest.mark.parametrize(("copies", "next_copies"), [(1, 1), (2, 2), (1, 2), (3, 1)])
def test_critic_loss_and_gradient_are_those_of_drq(copies: int, next_copies: int) -> None:
    shift = {"name": "random-shift", "copies": copies, "next_copies": next_copies}
    model = filled(transforms=[shift])
    batch = model.sample(8)
    made, noise = views(model, batch, seed=3)
    expected = drq_loss(model, batch, made, noise)
    torch.manual_seed(3)
    loss, _ = model.training.actor_critic.critic_loss(Step(batch))
    # The mean over the copies, and half of a squared error.
    torch.testing.assert_close(2 * copies * loss, expected, rtol=1e-4, atol=1e-6)
    parameters = model.learners.critic.parameters
    theirs = torch.autograd.grad(expected, parameters)
    for mine, other in zip(torch.autograd.grad(loss, parameters), theirs, strict=True):
        torch.testing.assert_close(2 * copies * mine, other, rtol=1e-3, atol=1e-5)


def test_the_actor_sees_the_first_copy_without_its_convolutions_gradient() -> None:
    model = filled()
    step = Step(model.sample(8))
    actor_critic = model.training.actor_critic
    actor_critic.critic_loss(step)
    first = step.batch.observations[:8]
    expected = convolved(model.policy.extractor, first)
    torch.testing.assert_close(step.features, expected, rtol=1e-4, atol=1e-5)
    assert not step.features.requires_grad
    actor_critic.actor_loss(step)
    assert step.shared["log_prob"].shape == (8, 1)


def test_weights_count_for_each_copy_and_errors_are_means_over_copies() -> None:
    model = filled()
    batch = model.sample(8)
    weights = torch.rand(8, 1) + 0.5
    steps, gradients = [], []
    for given in (None, torch.ones(8, 1), weights):
        torch.manual_seed(3)
        step = Step(Batch(**{**vars(batch), "importance_weights": given}))
        loss, _ = model.training.actor_critic.critic_loss(step)
        gradients.append(torch.autograd.grad(loss, model.policy.critic.output.bias)[0])
        steps.append(step)
    torch.testing.assert_close(gradients[0], gradients[1])
    torch.manual_seed(3)
    outputs, target = model.training.actor_critic.outputs_and_target(Step(batch))
    assert outputs.shape == (2, 16, 1)
    assert torch.equal(*target.chunk(2))
    difference = outputs.detach() - target
    by_copy = difference.abs().mean(dim=(0, 2)).view(2, 8)
    torch.testing.assert_close(steps[2].td_errors, by_copy.mean(0))
    # Of half a squared error over 16 rows, with the weight of its transition.
    weighted = (difference.view(2, 2, 8) * weights.view(8)).sum(dim=(1, 2)) / 16
    torch.testing.assert_close(gradients[2].flatten(), weighted)


@pytest.mark.parametrize("value", ["scalar", {"name": "categorical", "v_min": -5, "v_max": 5}])
@pytest.mark.parametrize(("copies", "next_copies"), [(2, 2), (1, 3)])
@pytest.mark.parametrize("target", [True, False])
def test_joint_batches_have_copies_too(
    value: Any, copies: int, next_copies: int, target: bool
) -> None:
    network = {**NETWORK, "norm": "batch"}
    critic = {
        "name": "ensemble",
        "network": network,
        "joint_batch": True,
        "value": value,
        "target": target,
    }
    shift = {"name": "random-shift", "copies": copies, "next_copies": next_copies}
    model = make(critic=critic, transforms=[shift], extractor=ENCODER)
    model.learn(26)
    step = Step(model.sample(8))
    outputs, targets = model.training.actor_critic.outputs_and_target(step)
    assert outputs.shape[:2] == (2, 8 * copies)
    assert targets.shape[-2] == 8 * copies
    for part in targets.chunk(copies, dim=-2):
        assert torch.equal(part, targets.chunk(copies, dim=-2)[0])


def test_td3_learns_from_copies() -> None:
    model = make(TD3)
    model.learn(26)
    assert model._n_updates == 6
