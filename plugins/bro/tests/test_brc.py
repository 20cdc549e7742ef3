"""BRC: its numbers, its size at any width, and its target against numpy."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rivals import narrow, settings, sizes_for_the_dog, trained

from sb3_scale.learning.batch import Step

Array = NDArray[np.float64]
ATOMS = np.linspace(-10, 10, 101)


def probabilities(outputs: torch.Tensor) -> Array:
    powers = np.exp(outputs.detach().double().numpy())
    found: Array = powers / powers.sum(axis=2, keepdims=True)
    return found


def projected(p: Array, moved: Array) -> Array:
    """Each atom's probability, shared by a triangle around where it moved."""
    near = np.maximum(1 - np.abs(moved[:, :, None] - ATOMS) / 0.2, 0)
    found: Array = (p[:, :, None] * near).sum(axis=1)
    return found


def test_both_losses_take_the_mean_of_the_members_probabilities() -> None:
    model = narrow("brc", learning_rate=1e-2).learn(45)
    policy, core, step = model.policy, model.training.actor_critic, Step(model.sample(16))
    core.extract(step)
    next_actions, entropy = core.next_actions(step)
    outputs, next_outputs = core.evaluate(step, next_actions)
    p = probabilities(next_outputs)
    assert np.abs(p[0] - p[1]).max() > 0.001
    rewards, discounts, penalty = (
        each.double().numpy() for each in (step.batch.rewards, step.batch.discounts, entropy)
    )
    moved = np.clip(rewards + discounts * (ATOMS - penalty), -10, 10)
    wanted = projected((p[0] + p[1]) / 2, moved)
    with torch.no_grad():
        target = policy.critic.bootstrap(
            next_outputs, step.batch.rewards, step.batch.discounts, entropy
        )
    np.testing.assert_allclose(target.numpy(), wanted, atol=1e-5)
    loss = model.training.objective.critic_loss(policy, outputs, target)
    by_hand = -(wanted * np.log(probabilities(outputs))).sum(axis=2).mean(axis=1).sum()
    assert loss.item() == pytest.approx(by_hand, rel=1e-4)
    judged = (probabilities(outputs).mean(axis=0) * ATOMS).sum(axis=1)
    np.testing.assert_allclose(policy.critic.judge(outputs)[:, 0].detach(), judged, atol=1e-4)


@pytest.mark.parametrize("width", [512, 4096])
def test_sizes_for_the_dog_are_those_of_the_layers(width: int) -> None:
    """137 M for the critic of the paper."""
    norm = 2 * width
    hidden = 261 * width + width + norm + 2 * 2 * (width * width + width + norm)
    critic = 2 * (hidden + width * 101 + 101)
    actor = 223 * 256 + 3 * 256 + 2 * (256 * 256 + 3 * 256) + 2 * (256 * 38 + 38)
    assert sizes_for_the_dog("brc", width=width) == (critic, actor)
    if width == 4096:
        assert round(critic / 1e6) == 137


def test_numbers() -> None:
    entry = settings("brc")
    wanted = {"batch_size": 256, "learning_starts": 5000, "gradient_steps": 2, "tau": 0.005}
    wanted |= {"ent_coef": "auto_0.1", "target_entropy": "auto_0.5", "learning_rate": 3e-4}
    assert {key: entry[key] for key in wanted} == wanted
    assert "callback" not in entry
    model = narrow("brc")
    (group,) = model.policy.critic.optimizer.param_groups
    assert (group["weight_decay"], group["betas"]) == (1e-4, (0.9, 0.999))
    assert tuple(model.ent_coef_optimizer.param_groups[0]["betas"]) == (0.5, 0.999)
    for weight in model.policy.critic.output.weight.detach():
        np.testing.assert_allclose(weight @ weight.T, 2 * np.eye(8), atol=1e-5)


def test_60_gradient_steps() -> None:
    trained("brc")
