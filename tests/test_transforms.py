"""Transforms of batches: rewards divided by the size of the return, and where a transform acts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import SMALL, make
from stable_baselines3.common.env_util import make_vec_env
from torch import nn

from sb3_scale import SAC, TD3, Extractor, Sb3ScaleError, Transform
from sb3_scale.learning.batch import Batch, Step
from sb3_scale.learning.transforms import RewardScale
from sb3_scale.learning.transforms import Transform as BaseTransform
from sb3_scale.nn import base
from sb3_scale.nn.linear import EnsembleLinear
from sb3_scale.parts import build
from sb3_scale.testing.part_under_test import offered

GAMMA = 0.9


def returns_by_hand(rewards: np.ndarray, dones: np.ndarray) -> np.ndarray:
    """Each G of each environment, in plain loops."""
    found = []
    for env in range(rewards.shape[1]):
        value = 0.0
        for reward, done in zip(rewards[:, env], dones[:, env], strict=True):
            value = GAMMA * value + float(reward)
            found.append(value)
            if done:
                value = 0.0
    return np.array(found)


def played(n_envs: int, steps: int = 60) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(n_envs)
    rewards = random.normal(1, 2, (steps, n_envs)).astype(np.float32)
    return rewards, random.random((steps, n_envs)) < 0.1


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("by", ["deviation", "greatest"])
def test_the_divisor(by: str, n_envs: int) -> None:
    transform = RewardScale(by, epsilon=1e-6)
    transform.bind(GAMMA, (-0.5, 0.5))
    rewards, dones = played(n_envs)
    for row, done in zip(rewards, dones, strict=True):
        transform.observe(row, done)
    returns = returns_by_hand(rewards, dones)
    divisor = returns.std() + 1e-6
    if by == "greatest":
        divisor = max(np.sqrt(returns.var() + 1e-6), np.abs(returns).max() / 0.5)
        assert np.abs(returns / divisor).max() <= 0.5 + 1e-12
    given = torch.ones(4, 1)
    scaled = transform(Batch(given, given, given, rewards=given, discounts=given))
    np.testing.assert_allclose(scaled.rewards.numpy(), 1 / divisor, rtol=1e-5)
    assert scaled.discounts is given
    np.testing.assert_allclose(transform.scaled_rewards(np.ones(2)), 1 / divisor, rtol=1e-5)


def test_an_episode_that_begins_anew_has_no_past() -> None:
    transform = RewardScale()
    transform.bind(GAMMA, None)
    for rewards in (np.array([3.0]), np.array([5.0])):
        transform.observe(rewards, np.array([False]))
        transform.restart()
    np.testing.assert_allclose(float(transform.variance), np.var([3.0, 5.0]))


def trained(algorithm: Any = SAC, env: Any = "Pendulum-v1", **settings: Any) -> Any:
    return make(algorithm, env, parts={"transforms": ["reward-scale"]}, **settings).learn(60)


@pytest.mark.parametrize("algorithm", [SAC, TD3])
def test_critics_learn_scaled_rewards_of_all_environments(algorithm: Any, tmp_path: Path) -> None:
    model = trained(algorithm, make_vec_env("Pendulum-v1", 3, seed=0))
    (transform,) = model.policy.transforms
    assert float(transform.count) == model.num_timesteps == 60
    step = Step(model.sample(16))
    raw = step.batch.rewards.clone()
    model.learners.critic.gradients(step)
    torch.testing.assert_close(step.batch.rewards, raw / transform.divisor)
    assert float(transform.divisor) > 1.5

    model.save(tmp_path / "model")
    loaded = algorithm.load(tmp_path / "model", device="cpu").policy.transforms[0]
    for name, value in transform.named_buffers():
        assert torch.equal(loaded.get_buffer(name), value), name


def test_it_is_compiled() -> None:
    transform = RewardScale()
    transform.divisor.fill_(4.0)
    given = torch.ones(4, 1)
    compiled = torch.compile(transform, fullgraph=True, backend="eager")
    batch = Batch(given, given, given, rewards=given, discounts=given)
    assert torch.equal(compiled(batch).rewards, given / 4)
    transform.divisor.fill_(8.0)
    assert torch.equal(compiled(batch).rewards, given / 8)


class Shift(BaseTransform):
    """Adds something to both observations."""

    def forward(self, batch: Batch) -> Batch:
        moved = batch.observations + 1, batch.next_observations + 1
        return replace(batch, observations=moved[0], next_observations=moved[1])


def test_both_observations_are_transformed_in_their_order() -> None:
    spec = Transform("shift", f"{__name__}:Shift", summary="Adds one.")
    with offered(spec):
        model = make(SAC, parts={"transforms": ["shift", "shift"]}).learn(25)
    step = Step(model.sample(8))
    given = step.batch
    model.training.actor_critic.extract(step)
    torch.testing.assert_close(step.features, given.observations + 2)
    torch.testing.assert_close(step.next_features, given.next_observations + 2)


def test_greatest_needs_a_range() -> None:
    with pytest.raises(Sb3ScaleError) as raised:
        make(SAC, parts={"transforms": [{"name": "reward-scale", "by": "greatest"}]})
    assert str(raised.value).startswith("transform {'name': 'reward-scale', 'by': 'greatest'}: by")


class Encoder(base.Extractor):
    """Two layers; the weights of the first have norm 1."""

    def __init__(self, observation_space: Any) -> None:
        super().__init__()
        self.features_dim = 6
        self.layer = EnsembleLinear(observation_space.shape[0], 6, 1)
        self.last = EnsembleLinear(6, 6, 1)
        rule = {"name": "unit-norm", "bias": False}
        self.rule = build("constraint", rule, [self.layer, self.last])
        self.project_()

    def forward(self, observations: torch.Tensor, training: bool = False) -> torch.Tensor:
        return self.last(self.layer(observations.unsqueeze(0)))[0]

    def project_(self) -> None:
        self.rule.project_()


def norms(module: nn.Module) -> torch.Tensor:
    return module.layer.weight.detach().norm(dim=1).flatten()


@pytest.mark.parametrize("target", [True, False])
def test_an_encoder_that_the_critic_trains_is_projected(target: bool) -> None:
    with offered(Extractor("encoder", f"{__name__}:Encoder", summary="One layer.")):
        model = make(SAC, extractor="encoder", parts={"extractor_target": target})
        before = model.policy.extractor.layer.weight.detach().clone()
        model.learn(60)
    policy = model.policy
    assert not torch.equal(policy.extractor.layer.weight, before)
    torch.testing.assert_close(norms(policy.extractor), torch.ones(6))
    assert (policy.extractor_target is policy.extractor) == (not target)
    assert policy.critic_target is not policy.critic
    torch.testing.assert_close(norms(policy.extractor_target), torch.ones(6))


def test_a_stochastic_actor_with_a_target_chooses_the_next_action() -> None:
    actor = {"name": "squashed-gaussian", "network": SMALL, "target": True}
    model = make(SAC, parts={"actor": actor}, tau=0.5).learn(40)
    policy, step = model.policy, Step(model.sample(8))
    assert policy.actor_target is not policy.actor
    model.training.actor_critic.extract(step)
    torch.manual_seed(1)
    found, _ = model.training.actor_critic.next_actions(step)
    torch.manual_seed(1)
    expected, _ = policy.actor_target.action_log_prob(step.next_features)
    assert torch.equal(found, expected)
    old = policy.actor_target.output.weight.clone()
    model.train(1, 16)
    moved = 0.5 * old + 0.5 * policy.actor.output.weight
    torch.testing.assert_close(policy.actor_target.output.weight, moved)


def test_returns_of_some_environments_at_a_time_are_those_of_all_at_once() -> None:
    rng = np.random.default_rng(1)
    rewards, dones = rng.normal(size=(40, 4)), rng.random((40, 4)) < 0.1
    whole, pieces = RewardScale(), RewardScale()
    for each in (whole, pieces):
        each.bind(0.9, None)
    for reward, done in zip(rewards, dones, strict=True):
        whole.observe(reward, done)
        for streams in (np.array([2, 3]), np.array([0, 1])):
            pieces.observe(reward[streams], done[streams], streams)
    for name in ("count", "mean", "variance", "greatest"):
        torch.testing.assert_close(getattr(pieces, name), getattr(whole, name))
    torch.testing.assert_close(pieces._returns, whole._returns)
    pieces.restart(np.array([1, 2]))
    assert pieces._returns[[1, 2]].eq(0).all()
    torch.testing.assert_close(pieces._returns[[0, 3]], whole._returns[[0, 3]])


def test_returns_of_environments_move_with_the_module() -> None:
    scale = RewardScale()
    scale.observe(np.ones(3), np.zeros(3, bool))
    assert scale._returns is not None
    moved = scale.to("meta")._returns
    assert moved is not None
    assert (moved.device.type, moved.shape) == ("meta", (3,))
