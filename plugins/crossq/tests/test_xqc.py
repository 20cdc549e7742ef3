"""XQC: its numbers, its size, and its loss from first to last against numpy."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from rivals import narrow, neurons, settings, sizes_for_the_dog, trained

from sb3_scale.learning.batch import Step

Array = NDArray[np.float64]
ATOMS = np.linspace(-5, 5, 101)


def array(tensor: torch.Tensor) -> Array:
    found: Array = tensor.detach().double().numpy()
    return found


def network(part: Any, member: int, x: Array, training: bool) -> Array:
    """Outputs of one member, with the statistics of the batch or the running ones."""

    def norm(layer: Any, h: Array) -> Array:
        mean, var = array(layer.running_mean)[member, 0], array(layer.running_var)[member, 0]
        if training:
            mean, var = h.mean(axis=0), ((h - h.mean(axis=0)) ** 2).mean(axis=0)
        standard = (h - mean) / np.sqrt(var + 1e-3)
        return standard * array(layer.weight)[member, 0] + array(layer.bias)[member, 0]

    h = norm(part.network.input_norm, x)
    for linear, layer in zip(part.network.linears, part.network.norms, strict=True):
        h = np.maximum(norm(layer, h @ array(linear.weight)[member]), 0)
    return h @ array(part.output.weight)[member] + array(part.output.bias)[member, 0]


def softmax(logits: Array) -> Array:
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def sample(actor: Any, x: Array, training: bool, seed: int) -> tuple[Array, Array]:
    """Actions and log-probabilities."""
    mean, log_std = np.split(network(actor, 0, x, training), 2, axis=1)
    log_std = np.clip(log_std, -10, 2)
    torch.manual_seed(seed)
    noise = array(torch.randn(mean.shape))
    u = mean + np.exp(log_std) * noise
    density = np.exp(-(noise**2) / 2) / np.sqrt(2 * np.pi) / np.exp(log_std)
    return np.tanh(u), (np.log(density) - np.log(1 - np.tanh(u) ** 2)).sum(axis=1)


def target(p: Array, rewards: Array, discounts: Array, entropy: Array) -> Array:
    """Bellemare et al., 2017, algorithm 1, transition by transition."""
    width = ATOMS[1] - ATOMS[0]
    found = np.zeros_like(p)
    for i in range(len(p)):
        for j, z in enumerate(ATOMS):
            moved = min(max(rewards[i] + discounts[i] * (z - entropy[i]), -5), 5)
            place = (moved + 5) / width
            lower, upper = int(np.floor(place)), int(np.ceil(place))
            if lower == upper:
                found[i, lower] += p[i, j]
            else:
                found[i, lower] += p[i, j] * (upper - place)
                found[i, upper] += p[i, j] * (place - lower)
    return found


def test_losses_of_critic_and_actor_by_hand() -> None:
    model = narrow("xqc", learning_rate=1e-2).learn(70)
    policy, step = model.policy, Step(model.sample(16))
    raw = step.batch
    alpha, scale = float(model.ent_coef_value()), float(policy.transforms[0].divisor)
    obs, next_obs = array(raw.observations), array(raw.next_observations)
    rewards, discounts = array(raw.rewards)[:, 0] / scale, array(raw.discounts)[:, 0]
    next_actions, log_prob = sample(policy.actor, next_obs, training=False, seed=3)
    current = np.concatenate((obs, array(raw.actions)), axis=1)
    both = np.concatenate((current, np.concatenate((next_obs, next_actions), axis=1)))
    theirs = [softmax(network(policy.critic_target, k, both, True)[16:]) for k in (0, 1)]
    least = np.argmin([p @ ATOMS for p in theirs], axis=0)
    assert 0 < least.sum() < 16
    p = np.where(least[:, None] == 0, *theirs)
    wanted = target(p, rewards, discounts, alpha * log_prob)
    by_hand = 0.0
    for k in (0, 1):
        logits = network(policy.critic, k, both, True)[:16]
        by_hand -= (wanted * np.log(softmax(logits))).sum(axis=1).mean()
    torch.manual_seed(3)
    loss, _ = model.training.actor_critic.critic_loss(step)
    np.testing.assert_allclose(loss.item(), by_hand, rtol=1e-4)

    actions, log_prob = sample(policy.actor, obs, training=True, seed=4)
    pairs = np.concatenate((obs, actions), axis=1)
    q = [softmax(network(policy.critic, k, pairs, False)) @ ATOMS for k in (0, 1)]
    torch.manual_seed(4)
    loss, _ = model.training.objective.actor_loss(policy, step)
    expected = (alpha * log_prob - np.minimum(*q)).mean()
    np.testing.assert_allclose(loss.item(), expected, rtol=1e-3, atol=1e-4)


def test_the_projection_of_hidden_layers_alone_changes_no_output() -> None:
    model = narrow("xqc", learning_rate=1e-2).learn(70)
    critic = model.policy.critic
    for norm in (critic.network.input_norm, *critic.network.norms):
        norm.eps = 0.0
    features, actions = torch.randn(32, 3), torch.rand(32, 1)
    with torch.no_grad():
        for linear in critic.network.linears:
            linear.weight.mul_(3 * torch.rand_like(linear.weight[:, :1]) + 0.5)
        hidden = critic(features, actions, training=True)
        critic.output.weight.mul_(2)
        doubled = critic(features, actions, training=True)
    critic.project_()
    for norms in neurons(critic):
        torch.testing.assert_close(norms, torch.ones_like(norms), atol=1e-6, rtol=0)
    with torch.no_grad():
        projected = critic(features, actions, training=True)
    torch.testing.assert_close(projected, hidden, rtol=1e-4, atol=1e-4)
    assert (doubled - projected).abs().max() > 0.1


def test_sizes_for_the_dog_are_those_of_the_layers() -> None:
    """1.95 M and 0.28 M, by the list of layers of the released code."""
    critic = 2 * 261 + 261 * 512 + 3 * 512 * 512 + 4 * 2 * 512 + 512 * 101 + 101
    actor = 2 * 223 + 223 * 256 + 3 * 256 * 256 + 4 * 2 * 256 + 2 * (256 * 38 + 38)
    assert sizes_for_the_dog("xqc") == (2 * critic, actor) == (1_952_990, 275_722)


def test_numbers() -> None:
    entry = settings("xqc")
    wanted = {
        "learning_rate": 3e-4,
        "critic_learning_rate": "lin_3e-4_3e-5",
        "learning_starts": 5000,
        "batch_size": 256,
        "tau": 0.005,
        "gradient_steps": 2,
        "policy_delay": 3,
        "ent_coef": "auto_0.01",
        "target_entropy": "auto_0.5",
    }
    assert {key: entry[key] for key in wanted} == wanted
    for part in ("actor", "critic"):
        assert not entry["policy_kwargs"][part]["network"]["bias"]


def test_60_gradient_steps() -> None:
    model = trained("xqc")
    for part in (model.policy.actor, model.policy.critic, model.policy.critic_target):
        for norms in neurons(part):
            torch.testing.assert_close(norms, torch.ones_like(norms), atol=1e-6, rtol=0)


def test_rates_of_actor_and_temperature_end_where_theirs_do() -> None:
    """A third of the way from 3e-4 to 3e-5."""
    model = narrow("xqc", gradient_steps=1).learn(60)
    rates = [learner.optimizer.param_groups[0]["lr"] for learner in model.learners]
    names = [learner.name for learner in model.learners]
    assert dict(zip(names, rates, strict=True)) == pytest.approx(
        {"critic": 3e-5, "actor": 2.1e-4, "ent_coef": 2.1e-4}
    )


@pytest.mark.slow
def test_a_compiled_step_is_that_of_eager_execution() -> None:
    eager, compiled = narrow("xqc").learn(40), narrow("xqc", compile=True).learn(40)
    found = dict(compiled.policy.named_parameters())
    for name, expected in eager.policy.named_parameters():
        # The next norm takes a shift of the input away, so that its gradient is rounding alone.
        if not name.endswith("input_norm.bias"):
            torch.testing.assert_close(found[name], expected, rtol=1e-3, atol=1e-5, msg=name)
