"""The equations of discrete actions against sums over all actions in numpy, and how they count."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from discrete_models import MULTI, NORMED, make
from gymnasium import spaces

from sb3_scale import SAC
from sb3_scale.actions import JointActions
from sb3_scale.learning.batch import Batch, Step
from sb3_scale.nn.discrete import CategoricalActor, DiscreteEnsembleCritic, drawn
from sb3_scale.specs import DiscreteActor, DiscreteCritic
from sb3_scale.testing import check_component

CLOSE = {"rtol": 2e-4, "atol": 1e-5}
ALPHA = 0.3

SPACES = [
    spaces.Discrete(4),
    spaces.Discrete(4, start=-7),
    spaces.MultiDiscrete([3]),
    spaces.MultiDiscrete([2, 3, 4]),
    spaces.MultiDiscrete([3, 1, 2], start=[4, -5, 0]),
]

VALUES = {
    "scalar": "scalar",
    "quantiles": {"name": "quantiles", "n_quantiles": 5},
    "categorical": {"name": "categorical", "v_min": -2.0, "v_max": 2.0, "n_atoms": 9},
}


@pytest.mark.parametrize("space", SPACES, ids=str)
def test_joint_actions_count_as_numpy_does(space: Any) -> None:
    code = JointActions(space)
    sizes = tuple(np.atleast_1d(space.n if isinstance(space, spaces.Discrete) else space.nvec))
    assert code.dim == math.prod(sizes)
    indices = np.arange(code.dim)
    starts = np.atleast_1d(space.start)
    expected = np.stack(np.unravel_index(indices, sizes), axis=-1) + starts
    found = code.to_environment(torch.from_numpy(indices)[:, None])
    assert np.array_equal(found.numpy(), expected)
    assert found.numpy().dtype == space.dtype
    back = code.to_index(found)
    assert np.array_equal(back.numpy(), np.ravel_multi_index((expected - starts).T, sizes)[:, None])
    # A replay buffer may give numbers of another type.
    assert torch.equal(code.to_index(found.float()), back)


def samples(model: Any, size: int = 6) -> Step:
    generator = np.random.default_rng(1)

    def normal(*shape: int) -> torch.Tensor:
        return torch.from_numpy(generator.normal(size=shape).astype(np.float32))

    actions = np.stack([np.atleast_1d(model.action_space.sample()) for _ in range(size)])
    discounts = torch.full((size, 1), 0.9)
    discounts[0] = 0
    return Step(
        Batch(
            normal(size, 3), normal(size, 3), torch.from_numpy(actions), normal(size, 1), discounts
        )
    )


def of_actor(model: Any, observations: torch.Tensor) -> np.ndarray:
    """Probabilities of all joint actions in evaluation, in double precision."""
    with torch.no_grad():
        actor = model.policy.actor
        logits = actor.output(actor.network(observations[None])).squeeze(0).double().numpy()
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def of_critic(model: Any, critic: Any, observations: torch.Tensor, training: bool) -> np.ndarray:
    """Outputs ``(m, b, n, k)``, read from network and output layer alone."""
    with torch.no_grad():
        x = observations.expand(critic.n_critics, -1, -1)
        outputs = critic.output(critic.network(x, training)).double().numpy()
    return outputs.reshape(*outputs.shape[:2], model.policy.action_code.dim, -1)


def joint_outputs(model: Any, step: Step) -> tuple[np.ndarray, np.ndarray]:
    """At s of the critic, at s' of its target, as the step shall see them."""
    policy, batch = model.policy, step.batch
    states, half = (batch.observations, batch.next_observations), len(batch)
    if not policy.critic.joint_batch:
        return (
            of_critic(model, policy.critic, states[0], True),
            of_critic(model, policy.critic_target, states[1], False),
        )
    both = torch.cat(states)
    here = of_critic(model, policy.critic, both, True)[:, :half]
    return here, of_critic(model, policy.critic_target, both, True)[:, half:]


def softmax(x: np.ndarray) -> np.ndarray:
    weights = np.exp(x - x.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def expected_target(
    kind: str, reduction: str, outputs: np.ndarray, pi: np.ndarray, step: Step, alpha: float
) -> np.ndarray:
    """Sum over all actions, transition by transition."""
    rewards, discounts = step.batch.rewards.numpy(), step.batch.discounts.numpy()
    atoms = np.linspace(-2, 2, 9)
    rows = []
    for b in range(len(rewards)):
        mean_distribution: Any = 0.0
        entropy = 0.0
        for a in range(pi.shape[1]):
            members = outputs[:, b, a]
            if kind == "categorical":
                members = softmax(members)
            means = members @ atoms if kind == "categorical" else members.mean(axis=1)
            chosen = members[means.argmin()] if reduction == "min" else members.mean(axis=0)
            mean_distribution = mean_distribution + pi[b, a] * chosen
            entropy -= pi[b, a] * math.log(pi[b, a])
        if kind != "categorical":
            rows.append(rewards[b] + discounts[b] * (mean_distribution + alpha * entropy))
            continue
        row = np.zeros(9)
        for atom, probability in zip(atoms, mean_distribution, strict=True):
            moved = rewards[b, 0] + discounts[b, 0] * (atom + alpha * entropy)
            place = np.clip((moved + 2) / 0.5, 0, 8)
            lower = min(int(place), 7)
            row[lower] += probability * (lower + 1 - place)
            row[lower + 1] += probability * (place - lower)
        rows.append(row)
    return np.stack(rows)


@pytest.mark.parametrize("joint_batch", [False, True])
@pytest.mark.parametrize("target", [False, True])
@pytest.mark.parametrize("reduction", ["min", "mean"])
@pytest.mark.parametrize("kind", VALUES)
def test_the_target_is_a_sum_over_all_actions(
    kind: str, reduction: str, target: bool, joint_batch: bool
) -> None:
    critic = {
        "n_critics": 3,
        "value": VALUES[kind],
        "reduction": reduction,
        "target": target,
        "joint_batch": joint_batch,
        "network": NORMED,
    }
    model = make(MULTI, critic=critic, ent_coef=ALPHA)
    step = samples(model)
    outputs, found = model.training.actor_critic.outputs_and_target(step)
    # Afterwards, since norms remember the batch of s before they evaluate s'.
    here, there = joint_outputs(model, step)
    pi = of_actor(model, step.batch.next_observations)
    expected = expected_target(kind, reduction, there, pi, step, ALPHA)
    np.testing.assert_allclose(found.numpy(), expected, **CLOSE)
    index = np.ravel_multi_index((step.batch.actions.numpy() - MULTI.start).T, MULTI.nvec)
    taken = here[:, np.arange(6), index]
    np.testing.assert_allclose(outputs.detach().numpy(), taken, **CLOSE)


def test_the_actor_loss_and_its_gradient_are_sums_over_all_actions() -> None:
    model = make(4, critic={"n_critics": 3}, ent_coef=ALPHA)
    step = samples(model)
    model.training.actor_critic.critic_loss(step)
    loss, _ = model.training.objective.actor_loss(model.policy, step)
    values = of_critic(model, model.policy.critic, step.batch.observations, False)
    least = values.min(axis=0)[..., 0]
    pi = of_actor(model, step.batch.observations)
    expected = np.mean((pi * (ALPHA * np.log(pi) - least)).sum(axis=1))
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    # By the logits: d/dl_j sum_a pi_a (alpha log pi_a - Q_a) = pi_j (g_j - sum_a pi_a g_a).
    g = ALPHA * np.log(pi) - least
    by_logits = pi * (g - (pi * g).sum(axis=1, keepdims=True)) / len(pi)
    (found,) = torch.autograd.grad(loss, [model.policy.actor.output.bias])
    np.testing.assert_allclose(found.flatten().numpy(), by_logits.sum(axis=0), **CLOSE)


def test_the_critic_gets_no_gradient_from_the_actor() -> None:
    model = make(4)
    step = samples(model)
    model.training.actor_critic.critic_loss(step)
    loss, _ = model.training.objective.actor_loss(model.policy, step)
    parameters = list(model.policy.critic.parameters())
    assert torch.autograd.grad(loss, parameters, allow_unused=True) == (None,) * len(parameters)


def test_the_temperature_follows_the_mean_entropy() -> None:
    model = make(4, target_entropy=0.7, ent_coef="auto_0.5")
    step = samples(model)
    model.training.actor_critic.critic_loss(step)
    model.training.actor_critic.actor_loss(step)
    loss, _ = model.learners.ent_coef.loss(step)
    pi = of_actor(model, step.batch.observations)
    entropy = -(pi * np.log(pi)).sum(axis=1).mean()
    assert loss.item() == pytest.approx(math.log(0.5) * (entropy - 0.7), rel=1e-4)


def test_without_entropy_in_the_target_it_is_the_mean_value() -> None:
    model = make(4, ent_coef=ALPHA, backup_entropy=False, critic={"reduction": "mean"})
    step = samples(model)
    _, there = joint_outputs(model, step)
    _, found = model.training.actor_critic.outputs_and_target(step)
    pi = of_actor(model, step.batch.next_observations)
    expected = expected_target("scalar", "mean", there, pi, step, 0.0)
    np.testing.assert_allclose(found.numpy(), expected, **CLOSE)


@pytest.mark.parametrize("kind", VALUES)
def test_one_action_has_the_deterministic_value(kind: str) -> None:
    model = make(spaces.Discrete(1, start=3), critic={"value": VALUES[kind]}, ent_coef=ALPHA)
    step = samples(model)
    outputs, target = model.training.actor_critic.outputs_and_target(step)
    critic, batch = model.policy.critic_target, step.batch
    with torch.no_grad():
        next_outputs = critic(batch.next_observations, torch.zeros(6, 1, dtype=torch.int64))
        expected = critic.bootstrap(next_outputs, batch.rewards, batch.discounts, None)
        here = model.policy.critic(batch.observations, torch.zeros(6, 1, dtype=torch.int64))
    torch.testing.assert_close(target, expected)
    torch.testing.assert_close(outputs.detach(), here)
    loss, _ = model.training.actor_critic.actor_loss(step)
    assert loss.item() == pytest.approx(-float(model.policy.critic.judge(here).mean()), rel=1e-5)


def test_the_actor_reads_both_states_where_its_norms_shall() -> None:
    model = make(4, actor={"joint_batch": True, "network": NORMED})
    step = samples(model)
    model.training.actor_critic.critic_loss(step)
    first = model.policy.actor.network.input_norm
    model.training.actor_critic.actor_loss(step)
    both = torch.cat((step.batch.observations, step.batch.next_observations)).mean(dim=0)
    torch.testing.assert_close(
        first.running_mean.flatten(), first.momentum * both, rtol=1e-4, atol=1e-6
    )


def test_samples_have_the_probabilities_of_the_actor() -> None:
    torch.manual_seed(0)
    pi = torch.tensor([0.5, 0.3, 0.2, 1e-30])
    counts = torch.bincount(drawn(pi.log().expand(20_000, -1)).flatten(), minlength=4)
    torch.testing.assert_close(counts / 20_000, pi, atol=0.015, rtol=0)


@pytest.mark.parametrize(
    ("given", "actions", "expected"),
    [
        ("auto", spaces.Discrete(5), 0.2 * math.log(5)),
        ("auto_0.98", spaces.Discrete(2), 0.98 * math.log(2)),
        ("auto_0.3", MULTI, 0.3 * math.log(6)),
        (0.1, MULTI, 0.1),
        ("auto", spaces.Discrete(1), 0.0),
    ],
)
def test_the_target_entropy_is_a_share_of_the_greatest(
    given: Any, actions: Any, expected: float
) -> None:
    assert make(actions, target_entropy=given).target_entropy == pytest.approx(expected)


def test_parts_follow_the_action_space() -> None:
    model = SAC("ScalePolicy", "CartPole-v1", buffer_size=10, device="cpu")
    assert type(model.policy.actor).__name__ == "CategoricalActor"
    assert type(model.policy.critic).__name__ == "DiscreteEnsembleCritic"


class NoMode(CategoricalActor):
    def forward(self, features, deterministic=False, training=False):
        return drawn(self.log_probs(features, training))


class MeansOfOutputs(DiscreteEnsembleCritic):
    def bootstrap_all(self, next_outputs, probabilities, rewards, discounts, entropy_term):
        return self.bootstrap(next_outputs.mean(dim=2), rewards, discounts, entropy_term)


@pytest.mark.parametrize(
    ("kind", "name"), [("actor", "categorical"), ("critic", "discrete-ensemble")]
)
def test_the_parts_keep_their_contracts(kind: str, name: str) -> None:
    check_component(kind, name, {"network": {"name": "mlp", "width": 8}})


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        (
            DiscreteActor("wrong", f"{__name__}:NoMode", "No mode."),
            "no most probable action in forward",
        ),
        (
            DiscreteCritic("wrong", f"{__name__}:MeansOfOutputs", "Means."),
            "of one certain action that are",
        ),
    ],
)
def test_parts_that_break_the_contract_are_told(spec: Any, fault: str) -> None:
    with pytest.raises(AssertionError, match=fault):
        check_component(spec)
