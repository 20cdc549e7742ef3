"""Prioritised replay: its distribution, its weights and its returns."""

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from scipy.stats import chisquare
from stable_baselines3.common.buffers import NStepReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale import Sb3ScaleError
from sb3_scale.learning.actor_critic import weigh_gradient
from sb3_scale.parts import build
from sb3_scale_densenet.prioritized import PrioritizedReplayBuffer
from sb3_scale_densenet.sum_tree import SumTree

SPACE, ACTIONS = spaces.Box(-np.inf, np.inf, (3,)), spaces.Box(-1, 1, (2,))


def make(size: int, n_envs: int = 1, **params: Any) -> PrioritizedReplayBuffer:
    return PrioritizedReplayBuffer(size, SPACE, ACTIONS, "cpu", n_envs, **params)


def fill(buffer: Any, count: int, seed: int = 0, ends: float = 0.1, *others: Any) -> None:
    """Episodes of random numbers, of which every second one ends by a time limit."""
    rng = np.random.default_rng(seed)
    shape = (buffer.n_envs, 3)
    observations = rng.normal(size=shape).astype(np.float32)
    for _ in range(count):
        following, last = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
        done = rng.random(buffer.n_envs) < ends
        infos = [{"TimeLimit.truncated": bool(end and rng.random() < 0.5)} for end in done]
        after = np.where(done[:, None], last, following)
        actions = rng.uniform(-1, 1, (buffer.n_envs, 2))
        rewards = rng.normal(size=buffer.n_envs)
        for each in (buffer, *others):
            each.add(observations, after, actions, rewards, done, infos)
        observations = following


def named(rows: Any) -> np.ndarray:
    """Rows that were written once, as a batch names them."""
    return np.stack((rows, np.ones(len(rows), np.int64)))


def drawn_counts(buffer: PrioritizedReplayBuffer, batches: int, size: int = 64) -> np.ndarray:
    counts = np.zeros(buffer.buffer_size * buffer.n_envs)
    for _ in range(batches):
        np.add.at(counts, buffer.sample(size).indices[0], 1)
    return counts


def test_tree_sums_and_finds() -> None:
    rng = np.random.default_rng(0)
    tree, numbers = SumTree(5000), np.zeros(5000)
    for _ in range(20):
        index = rng.choice(5000, 300, replace=False)
        numbers[index] = rng.random(300) * (rng.random(300) > 0.3)
        tree[index] = numbers[index]
        assert tree.total == pytest.approx(numbers.sum())
        shares = rng.random(400)
        expected = np.searchsorted(numbers.cumsum(), shares * numbers.sum(), side="right")
        np.testing.assert_array_equal(tree.find(shares), expected)
    np.testing.assert_array_equal(tree[np.arange(5000)], numbers)


@pytest.mark.parametrize("share", [0.0, 0.5, 1 - 1e-16, np.nextafter(1, 0)])
def test_tree_never_finds_what_is_zero(share: float) -> None:
    tree = SumTree(300)
    tree[np.array([17, 255])] = np.array([0.1, 0.7])
    assert tree.find(np.full(8, share))[0] in (17, 255)


def test_frequencies_are_proportional_to_priorities() -> None:
    np.random.seed(0)
    buffer = make(200, n_envs=2, alpha=0.7)
    fill(buffer, 100)
    errors = np.random.default_rng(1).gamma(1.0, size=200)
    index = np.arange(200)
    buffer.update_priorities(named(index), torch.from_numpy(errors))
    counts = drawn_counts(buffer, 3000)
    priorities = (errors + 1e-6) ** 0.7
    expected = priorities / priorities.sum() * counts.sum()
    # Draws from equal shares vary less than independent ones, so the statistic may be small.
    assert chisquare(counts, expected).pvalue > 0.01
    uniform = np.full(200, counts.sum() / 200)
    assert chisquare(counts, uniform).pvalue < 1e-6


def test_weights_are_those_of_the_paper() -> None:
    np.random.seed(0)
    buffer = make(50, beta=0.4, final_beta=0.9)
    fill(buffer, 30)
    errors = np.linspace(0.1, 3, 30)
    buffer.update_priorities(named(np.arange(30)), torch.from_numpy(errors))
    priorities = (errors + 1e-6) ** 0.6
    share = priorities / priorities.sum()
    for remaining, beta in ((1.0, 0.4), (0.5, 0.65), (0.0, 0.9)):
        buffer.progress_remaining = remaining
        data = buffer.sample(16)
        expected = (30 * share[data.indices[0]]) ** -beta
        np.testing.assert_allclose(
            data.importance_weights[:, 0], expected / expected.max(), rtol=1e-5
        )


def test_new_transitions_have_the_largest_priority_so_far() -> None:
    buffer = make(10)
    fill(buffer, 4)
    np.testing.assert_array_equal(buffer.tree[np.arange(5)], [1, 1, 1, 1, 0])
    buffer.update_priorities(named([0, 1]), torch.tensor([5.0, 0.1]))
    buffer.sample(2)
    fill(buffer, 1)
    assert buffer.tree[np.array([4])] == pytest.approx((5 + 1e-6) ** 0.6)


def test_priorities_of_overwritten_transitions_are_ignored() -> None:
    buffer = make(10)
    fill(buffer, 10)
    indices = named(np.arange(10))
    fill(buffer, 3)
    buffer.update_priorities(indices, torch.tensor([99.0] * 3 + [7.0] * 7))
    buffer.sample(2)
    changed = buffer.tree[np.arange(10)] != 1
    np.testing.assert_array_equal(changed, [False] * 3 + [True] * 7)
    assert buffer.largest == pytest.approx(7**0.6)


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("filled", [25, 77])
def test_returns_of_several_steps_are_those_of_stable_baselines3(
    n_envs: int, normalized: bool, filled: int
) -> None:
    ours = make(40 * n_envs, n_envs, n_steps=3, gamma=0.9)
    theirs = NStepReplayBuffer(40 * n_envs, SPACE, ACTIONS, "cpu", n_envs, n_steps=3, gamma=0.9)
    fill(ours, filled, 0, 0.15, theirs)
    env = None
    if normalized:
        env = VecNormalize(make_vec_env("Pendulum-v1", n_envs), gamma=0.9)
        env.obs_rms.mean, env.obs_rms.var = np.arange(3.0), np.arange(1.0, 4.0)
        env.ret_rms.var = np.array(3.0)
    data = ours.sample(64, env)
    rows, envs = np.divmod(data.indices[0], n_envs)
    drawn = iter([envs])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(np.random, "randint", lambda *args, **kwargs: next(drawn))
        expected = theirs._get_samples(rows, env)
    for name in ("observations", "actions", "next_observations", "dones", "rewards", "discounts"):
        torch.testing.assert_close(getattr(data, name), getattr(expected, name), msg=name)


def test_a_stream_that_was_cut_ends_a_sequence() -> None:
    buffer = make(40, n_steps=3, gamma=1.0, alpha=0.0)
    fill(buffer, 10, 0, 0.0)
    fill(buffer, 10, 1, 0.0)
    data = buffer.sample(200)
    at = data.indices[0]
    for i, start in enumerate(at):
        steps = min(3, (10 if start < 10 else 20) - start)
        expected = buffer.rewards[start : start + steps, 0].sum()
        assert data.rewards[i, 0] == pytest.approx(expected, abs=1e-5)


def test_an_episode_ends_a_sequence_whose_next_observation_is_the_same() -> None:
    """As in a task that begins where it ended: only done tells."""
    buffer = make(10, n_steps=3, gamma=0.5)
    still, action = np.zeros((1, 3), np.float32), np.zeros((1, 2))
    for done in (False, True, False, False, False):
        buffer.add(still, still, action, np.ones(1), np.array([done]), [{}])
    np.random.seed(0)
    data = buffer.sample(200)
    found = dict(zip(data.indices[0].tolist(), data.rewards[:, 0].tolist(), strict=True))
    assert found == {0: 1.5, 1: 1.0, 2: 1.75, 3: 1.5, 4: 1.0}


def test_single_steps_are_drawn_alike_whatever_the_priorities() -> None:
    np.random.seed(0)
    buffer = make(100, n_steps=3)
    fill(buffer, 100)
    errors = torch.linspace(0, 100, 100)
    buffer.update_priorities(named(np.arange(100)), errors)
    buffer.sample(8)
    stored = buffer.transitions(np.arange(100), np.arange(100)).actions
    counts = np.zeros(100)
    for _ in range(200):
        drawn = buffer.sample_single_steps(64).actions
        np.add.at(counts, (drawn[:, None] == stored).all(dim=2).int().argmax(dim=1).numpy(), 1)
    assert chisquare(counts).pvalue > 0.01


def test_the_gradient_is_weighted_whatever_the_loss() -> None:
    """A loss that is not homogeneous, against a product written out by hand."""
    outputs = torch.randn(2, 5, 1, requires_grad=True)
    target, weights = torch.randn(5, 1), torch.rand(5, 1)
    weighed = weigh_gradient(outputs, weights)
    torch.testing.assert_close(weighed, outputs, rtol=0, atol=0)
    build("loss", "huber")(weighed, target).backward()
    error = (outputs.detach() - target).numpy()
    plain = np.where(np.abs(error) < 1, error, np.sign(error))
    # Sums over critics, means over transitions.
    np.testing.assert_allclose(outputs.grad, plain * weights.numpy() / 5, rtol=1e-5)


def test_goes_on_after_a_pickle() -> None:
    buffer = make(20, n_steps=2)
    fill(buffer, 15)
    buffer.update_priorities(named([3]), torch.tensor([9.0]))
    again = pickle.loads(pickle.dumps(buffer))
    assert again.tree[np.array([3])] == pytest.approx((9 + 1e-6) ** 0.6)
    for one in (buffer, again):
        np.random.seed(3)
        fill(one, 3, seed=5)
        one.batch = one.sample(8)
    for ours, theirs in zip(buffer.batch, again.batch, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"alpha": 1.5}, "alpha is 1.5; allowed: between 0 and 1"),
        ({"beta": -0.1}, "beta is -0.1; allowed: between 0 and 1"),
        ({"final_beta": 2}, "final_beta is 2; allowed: between 0 and 1"),
        ({"eps": 0.0}, "eps is 0.0; allowed: above 0, and finite"),
        ({"eps": float("inf")}, "eps is inf; allowed: above 0, and finite"),
        ({"n_steps": 0}, "n_steps is 0; allowed: a whole number, at least 1"),
        ({"gamma": float("nan")}, "gamma is nan; allowed: a number, at least 0, at most 1"),
    ],
)
def test_bad_parameters(params: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Sb3ScaleError, match=sentence):
        make(10, **params)


def test_reset_forgets_everything() -> None:
    buffer = make(10)
    with pytest.raises(Sb3ScaleError, match="replay buffer 'prioritized' is empty; allowed: after"):
        buffer.sample(1)
    fill(buffer, 10)
    buffer.update_priorities(named([3]), torch.tensor([9.0]))
    buffer.reset()
    fill(buffer, 2)
    assert set(buffer.sample(20).indices[0]) == {0, 1}
    np.testing.assert_array_equal(buffer.tree[np.arange(3)], [1, 1, 0])


def test_draws_one_from_each_of_equal_shares() -> None:
    buffer = make(16)
    fill(buffer, 16)
    assert sorted(buffer.sample(16).indices[0]) == list(range(16))


def test_errors_that_are_no_numbers() -> None:
    buffer = make(10)
    fill(buffer, 4)
    buffer.update_priorities(named([0, 1]), torch.tensor([np.nan, 1.0]))
    with pytest.raises(Sb3ScaleError, match="1 of 2 errors given to replay buffer 'prioritized'"):
        buffer.sample(2)
