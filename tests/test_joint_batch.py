"""One training-mode pass over [s, a ; s', a'], for the critic and for its target."""

from typing import Any

import gymnasium
import numpy as np
import pictures
import pytest
import torch
from stable_baselines3.common.logger import configure

from sb3_scale import SAC, TD3, Actor, Critic, Sb3ScaleError
from sb3_scale.learning.batch import Step
from sb3_scale.nn.actors import DeterministicActor
from sb3_scale.parts import build
from sb3_scale.testing.part_under_test import offered

NETWORK = {
    "name": "mlp",
    "width": 8,
    "norm": "batch",
    "norm_input": True,
    "norm_placement": "post-activation",
}


def make(target: bool, joint_batch: bool = True, actor: dict[str, Any] | None = None) -> Any:
    parts = {
        "actor": {"name": "squashed-gaussian", "network": NETWORK, **(actor or {})},
        "critic": {
            "name": "ensemble", "network": NETWORK, "joint_batch": joint_batch, "target": target,
        },
    }  # fmt: skip
    model = SAC(
        "ScalePolicy", "Pendulum-v1", learning_starts=50, policy_kwargs=parts, seed=0, device="cpu"
    )
    model.set_logger(configure(None, []))
    model.learn(50)
    return model


def numpy_critic(critic: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return numpy_network(critic, critic.n_critics, x)


def numpy_network(part: Any, n_members: int, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Outputs with the statistics of ``x``, in double precision, and the input's mean."""
    outputs, network = [], part.network
    for member in range(n_members):

        def array(tensor: torch.Tensor, member: int = member) -> np.ndarray:
            return tensor[member].detach().double().numpy()

        def norm(layer: Any, h: np.ndarray) -> np.ndarray:
            standard = (h - h.mean(axis=0)) / np.sqrt(h.var(axis=0) + 1e-3)
            return standard * array(layer.weight) + array(layer.bias)

        h = norm(network.input_norm, x)
        for linear, layer in zip(network.linears, network.norms, strict=True):
            h = norm(layer, np.maximum(h @ array(linear.weight) + array(linear.bias), 0))
        outputs.append(h @ array(part.output.weight) + array(part.output.bias))
    return np.stack(outputs), x.mean(axis=0)


@pytest.mark.parametrize("target", [True, False])
def test_statistics_are_those_of_both_halves(target: bool) -> None:
    model = make(target)
    policy = model.policy
    if target:
        with torch.no_grad():
            for parameter in policy.critic_target.parameters():
                parameter.add_(0.1 * torch.randn_like(parameter))
    core, step = model.training.actor_critic, Step(model.sample(16))
    core.extract(step)
    next_actions, _ = core.next_actions(step)
    running = policy.critic.network.input_norm.running_mean.clone()
    outputs, next_outputs = core.evaluate(step, next_actions)

    current = torch.cat((step.features, step.batch.actions), dim=1).double().numpy()
    following = torch.cat((step.next_features, next_actions), dim=1).double().numpy()
    joint = np.concatenate((current, following))
    expected, mean = numpy_critic(policy.critic, joint)
    np.testing.assert_allclose(outputs.detach().numpy(), expected[:, :16], atol=1e-4)
    expected_next, _ = numpy_critic(policy.critic_target, joint)
    np.testing.assert_allclose(next_outputs.numpy(), expected_next[:, 16:], atol=1e-4)
    assert not next_outputs.requires_grad

    norm = policy.critic.network.input_norm
    moved = 0.99 * running.numpy() + 0.01 * mean
    np.testing.assert_allclose(norm.running_mean.numpy(), moved, rtol=1e-5, atol=1e-7)

    two_passes, _ = numpy_critic(policy.critic, current)
    assert np.abs(two_passes - expected[:, :16]).max() > 1e-2


def test_the_targets_own_statistics_stay() -> None:
    model = make(target=True)
    norm = model.policy.critic_target.network.input_norm
    before = norm.running_mean.clone()
    core, step = model.training.actor_critic, Step(model.sample(16))
    core.extract(step)
    core.evaluate(step, core.next_actions(step)[0])
    assert norm.running_mean.equal(before)


@pytest.mark.parametrize("target", [True, False])
def test_swapping_the_halves_changes_nothing(target: bool) -> None:
    model = make(target)
    core, step = model.training.actor_critic, Step(model.sample(16))
    core.extract(step)
    next_actions = core.next_actions(step)[0]
    outputs, _ = core.evaluate(step, next_actions)
    critic = model.policy.critic
    features = torch.cat((step.next_features, step.features))
    actions = torch.cat((next_actions, step.batch.actions))
    swapped = critic(features, actions, training=True)[:, 16:]
    torch.testing.assert_close(outputs, swapped, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("target", [True, False])
@pytest.mark.parametrize("discrete", [True, False])
def test_both_halves_pull_at_the_encoder(discrete: bool, target: bool) -> None:
    """
    Features that all move alike move no output behind a norm of both halves, so the loss has no
    gradient that way. With that of one half alone the encoder drifts, and learns nothing.
    """
    critic = {"network": NETWORK, "joint_batch": True, "target": target}
    critic["name"] = "discrete-ensemble" if discrete else "ensemble"
    parts: dict[str, Any] = {
        "extractor": {**pictures.ENCODER, "norm": None, "squash": False},
        "extractor_target": target,
        "critic": critic,
        "actor": {"name": "categorical" if discrete else "squashed-gaussian", "network": NETWORK},
    }
    env = pictures.Pictures()
    if discrete:
        env.action_space = gymnasium.spaces.MultiDiscrete([3, 2])  # type: ignore[assignment]
    model = pictures.make(env=env, **parts).learn(25)
    loss, _ = model.training.actor_critic.critic_loss(Step(model.sample(16)))
    linear = model.policy.extractor.trunk.linear
    loss.backward()
    per_weight = linear.weight.grad.abs().mean()
    assert per_weight > 1e-4
    assert linear.bias.grad.abs().max() < 1e-3 * per_weight


def test_two_passes_without_joint_batch() -> None:
    model = make(target=True, joint_batch=False)
    core, step = model.training.actor_critic, Step(model.sample(16))
    core.extract(step)
    next_actions = core.next_actions(step)[0]
    outputs, _ = core.evaluate(step, next_actions)
    current = torch.cat((step.features, step.batch.actions), dim=1).double().numpy()
    expected, _ = numpy_critic(model.policy.critic, current)
    np.testing.assert_allclose(outputs.detach().numpy(), expected, atol=1e-4)


def actor_by_hand(actor: Any, x: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Actions with the statistics of ``x``, and the surprise of each, in double precision."""
    outputs, _ = numpy_network(actor, 1, x)
    mean, log_std = np.split(outputs[0], 2, axis=1)
    torch.manual_seed(seed)
    noise = torch.randn(mean.shape).numpy()
    u = mean + np.exp(log_std) * noise
    density = -(noise**2) / 2 - log_std - np.log(2 * np.pi) / 2
    return np.tanh(u), (density - np.log(1 / np.cosh(u) ** 2)).sum(axis=1, keepdims=True)


@pytest.mark.parametrize("joint_batch", [True, False])
def test_norms_of_the_actor_see_both_halves_or_the_first(joint_batch: bool) -> None:
    model = make(True, actor={"joint_batch": joint_batch})
    policy, step = model.policy, Step(model.sample(16))
    model.training.actor_critic.critic_loss(step)
    running = policy.actor.network.input_norm.running_mean.clone()
    torch.manual_seed(5)
    loss, _ = model.training.objective.actor_loss(policy, step)
    observations = step.features.double().numpy()
    if joint_batch:
        observations = np.concatenate((observations, step.next_features.double().numpy()))
    actions, log_prob = (part[:16] for part in actor_by_hand(policy.actor, observations, seed=5))
    np.testing.assert_allclose(step.shared["log_prob"].numpy(), log_prob, rtol=1e-3, atol=1e-3)
    with torch.no_grad():
        q = policy.critic.judge(policy.critic(step.features, torch.from_numpy(actions).float()))
    expected = float(model.ent_coef_value()) * log_prob - q.numpy()
    np.testing.assert_allclose(loss.item(), expected.mean(), rtol=1e-4)
    moved = 0.99 * running.numpy()[0] + 0.01 * observations.mean(axis=0)
    np.testing.assert_allclose(
        policy.actor.network.input_norm.running_mean.numpy()[0], moved, rtol=1e-4, atol=1e-6
    )


class JointActor(DeterministicActor):
    """A deterministic actor whose norms see both halves."""

    joint_batch = True


def test_norms_of_a_deterministic_actor_see_both_halves() -> None:
    spec = Actor("joint", f"{__name__}:JointActor", summary="Both halves.")
    with offered(spec):
        actor = {"name": "joint", "network": NETWORK}
        model = TD3(
            "ScalePolicy",
            "Pendulum-v1",
            learning_starts=30,
            batch_size=16,
            policy_kwargs={"actor": actor},
            seed=0,
            device="cpu",
        ).learn(40)
    policy, step = model.policy, Step(model.sample(16))
    model.training.actor_critic.critic_loss(step)
    norm = policy.actor.network.input_norm
    before = norm.running_mean.clone()
    loss, _ = model.training.objective.actor_loss(policy, step)
    both = torch.cat((step.features, step.next_features))
    moved = before[0, 0].lerp(both.mean(dim=0), 0.01)
    torch.testing.assert_close(norm.running_mean[0, 0], moved)
    with torch.no_grad():
        actions = policy.actor(both, training=True)[:16]
        values = policy.critic.mean(policy.critic(step.features, actions))
    assert loss.item() == pytest.approx(-values[0].mean().item(), rel=1e-5)


def test_the_actor_sees_features_of_its_own_extractor() -> None:
    """Not of the extractor's Polyak copy, which the target critic reads."""
    ofenet = {"name": "ofenet", "width": 4, "depth": 1, "pretraining_steps": 1}
    actor = {"name": "squashed-gaussian", "network": NETWORK, "joint_batch": True}
    model = SAC(
        "ScalePolicy",
        "Pendulum-v1",
        learning_starts=30,
        batch_size=16,
        policy_kwargs={"actor": actor, "extractor": ofenet},
        seed=0,
        device="cpu",
    ).learn(50)
    policy, step = model.policy, Step(model.sample(16))
    assert policy.extractor_target is not policy.extractor
    model.training.actor_critic.critic_loss(step)
    norm = policy.actor.network.input_norm
    before = norm.running_mean.clone()
    model.training.objective.actor_loss(policy, step)
    with torch.no_grad():
        batch = step.batch
        both = [policy.features(each) for each in (batch.observations, batch.next_observations)]
    moved = before[0, 0].lerp(torch.cat(both).mean(dim=0), 0.01)
    torch.testing.assert_close(norm.running_mean[0, 0], moved)
    both[1] = policy.target_features(step.batch.next_observations)
    assert not before[0, 0].lerp(torch.cat(both).mean(dim=0), 0.01).allclose(moved, atol=1e-6)


def test_norm_placements() -> None:
    """Pre-activation lies between linear layer and activation, without a norm of the input."""
    torch.manual_seed(0)
    config = {"name": "mlp", "width": 4, "depth": 1, "norm": "batch"}
    x = torch.randn(1, 6, 3)
    network = build("network", config, 3, 1)
    h = (x[0] @ network.linears[0].weight[0] + network.linears[0].bias[0]).detach().numpy()
    expected = np.maximum((h - h.mean(axis=0)) / np.sqrt(h.var(axis=0) + 1e-3), 0)
    np.testing.assert_allclose(network(x, True)[0].detach().numpy(), expected, atol=1e-5)
    post = build("network", {**config, "norm_placement": "post-activation"}, 3, 1)
    post.load_state_dict(network.state_dict())
    h = np.maximum(h, 0)
    expected = (h - h.mean(axis=0)) / np.sqrt(h.var(axis=0) + 1e-3)
    np.testing.assert_allclose(post(x, True)[0].detach().numpy(), expected, atol=1e-5)


def test_input_norm_without_a_norm() -> None:
    with pytest.raises(Sb3ScaleError, match="norm_input needs a norm"):
        build("network", {"name": "mlp", "norm_input": True}, 3, 1)


class PlainCritic(torch.nn.Module):
    """A critic of somebody who knows nothing of joint batches."""

    joint_batch = False
    target = True

    def __init__(self, features_dim: int, action_dim: int, width: int = 8) -> None:
        super().__init__()


def test_a_critic_that_cannot() -> None:
    spec = Critic("plain", f"{__name__}:PlainCritic", summary="No joint batch.")
    with offered(spec), pytest.raises(Sb3ScaleError) as raised:
        SAC(
            "ScalePolicy",
            "Pendulum-v1",
            policy_kwargs={"critic": {"name": "plain", "joint_batch": True}},
        )
    assert str(raised.value) == (
        "critic 'plain' has no parameter 'joint_batch' (its value was True); allowed: width"
    )
