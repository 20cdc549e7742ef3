"""The pieces that collectors are made of, each against an independent computation."""

import numpy as np
import pytest

from sb3_scale_apex.exploration import ladder, spread_out
from sb3_scale_apex.fragments import Fragment
from sb3_scale_apex.noise import LadderNoise
from sb3_scale_apex.priorities import returns_of


def fragment(steps: int = 12, envs: int = 3, ends: bool = True) -> Fragment:
    rng = np.random.default_rng(0)
    dones = rng.random((steps, envs)) < (0.25 if ends else 0)
    timeouts = dones & (rng.random((steps, envs)) < 0.5)
    observations = rng.normal(size=(steps + 1, envs, 2)).astype(np.float32)
    places = zip(*np.nonzero(dones), strict=True)
    last = {(int(step), int(env)): rng.normal(size=2).astype(np.float32) for step, env in places}
    infos = [[{"TimeLimit.truncated": bool(each)} for each in row] for row in timeouts]
    return Fragment(
        collector=0,
        incarnation=0,
        sequence=0,
        version=1,
        updates=0,
        observations=observations,
        ends=last,
        actions=np.zeros((steps, envs, 1), np.float32),
        rewards=rng.normal(size=(steps, envs)).astype(np.float32),
        dones=dones,
        infos=infos,
        observed=None,
        returned=None,
        priorities=None,
        seconds=0.0,
    )


def test_next_observations_are_the_last_ones_where_an_episode_ends() -> None:
    one = fragment()
    assert one.dones.sum() > 3
    whole = one.next_observations(0, one.steps)
    for step in range(one.steps):
        for env in range(one.envs):
            wanted = one.ends.get((step, env), one.observations[step + 1, env])
            np.testing.assert_array_equal(whole[step, env], wanted)
    np.testing.assert_array_equal(one.next_observations(4, 9), whole[4:9])
    # The first observation of the next episode stays where it is.
    assert not np.array_equal(one.observations[1:], whole)


@pytest.mark.parametrize("n_steps", [1, 3, 5])
def test_returns_over_several_steps_end_with_episode_or_fragment(n_steps: int) -> None:
    one, gamma = fragment(), 0.9
    returns, discounts, last = returns_of(one, one.rewards, n_steps, gamma)
    for start in range(one.steps):
        for env in range(one.envs):
            total, discount, step = 0.0, 1.0, start
            while True:
                total += discount * one.rewards[step, env]
                ends = one.dones[step, env]
                discount *= 0 if ends and not one.timeouts[step, env] else gamma
                if ends or step == one.steps - 1 or step - start == n_steps - 1:
                    break
                step += 1
            assert returns[start, env] == pytest.approx(total, rel=1e-5)
            assert discounts[start, env] == pytest.approx(discount, rel=1e-5)
            assert last[start, env] == step


def test_the_ladder_is_that_of_ape_x() -> None:
    base, alpha, actors = 0.4, 7, 9
    wanted = [base ** (1 + alpha * i / (actors - 1)) for i in range(actors)]
    np.testing.assert_allclose(ladder([base, base ** (1 + alpha)], actors), wanted)
    np.testing.assert_allclose(ladder([0.05, 0.8], 4)[[0, -1]], [0.05, 0.8])
    assert ladder([0.3, 0.9], 1).tolist() == [0.3]
    assert ladder(None, 4) is None


def test_spread_moves_actions_from_the_mode_and_keeps_them_within_bounds() -> None:
    mode = np.array([[0.5], [0.5], [0.5], [1.5]], np.float32)
    sample = np.array([[0.9], [0.9], [0.9], [1.9]], np.float32)
    bounds = (np.array([-2], np.float32), np.array([2], np.float32))
    moved = spread_out(mode, sample, np.array([0.0, 1.0, 2.0, 3.0]), bounds)
    np.testing.assert_allclose(moved, [[0.5], [0.9], [1.3], [2.0]], rtol=1e-6)
    assert moved.dtype == np.float32


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int64])
def test_whole_actions_that_spread_stay_whole_and_on_their_side_of_the_mode(dtype: type) -> None:
    bounds = (np.zeros(1, dtype), np.full(1, 10, dtype))
    for mode in range(11):
        for sample in range(11):
            for factor in (0.5, 0.9, 1.0, 1.5, 1.8):
                pair = (np.array([[each]], dtype) for each in (mode, sample))
                moved = spread_out(*pair, np.array([factor]), bounds)
                wanted = min(max(round(mode + factor * (sample - mode)), 0), 10)
                assert moved.dtype == dtype
                assert moved.tolist() == [[wanted]], (mode, sample, factor)


def test_noise_of_the_ladder_has_a_deviation_for_each_environment() -> None:
    np.random.seed(0)
    noise = LadderNoise(np.array([0.1, 0.4]), (1,))
    drawn = np.stack([noise() for _ in range(4000)])
    assert drawn.shape == (4000, 2, 1)
    np.testing.assert_allclose(drawn.std(0)[:, 0], [0.1, 0.4], rtol=0.05)
