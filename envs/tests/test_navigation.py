"""One environment of navigation, next to NumPy by hand."""

import copy
import itertools
import math
import pickle
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecVideoRecorder

from sb3_scale.errors import Sb3ScaleError
from sb3_scale.testing import check_component
from sb3_scale_envs.navigation import best_return
from sb3_scale_envs.navigation_env import NavigationEnv
from sb3_scale_envs.navigation_picture import draw
from sb3_scale_envs.navigation_vec_env import NavigationVecEnv
from sb3_scale_envs.tasks import NAVIGATION

DIMENSIONS = {"navigation": 2, "navigation-2": 2, "navigation-10": 10, "navigation-50": 50}
DIMENSIONS["navigation-100"] = 100


def norm(vector):
    return math.sqrt(math.fsum(float(x) ** 2 for x in vector))


@pytest.mark.parametrize("name", NAVIGATION)
def test_spaces_and_checks(name):
    n = DIMENSIONS[name]
    env = gymnasium.make(name)
    assert env.observation_space == gymnasium.spaces.Box(-np.inf, np.inf, (n,), np.float32)
    assert env.action_space == gymnasium.spaces.Box(-1, 1, (n,), np.float32)
    check_component("env", name)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # Files of other tests, which the garbage collector closes.
        warnings.simplefilter("ignore", ResourceWarning)
        sb3_check_env(env.unwrapped)
        gymnasium_check_env(env.unwrapped, skip_render_check=name != "navigation-2")
    messages = [str(warning.message) for warning in caught]
    # Gymnasium advises against the unbounded positions that the thesis has.
    assert all("A Box observation space m" in message for message in messages), messages


@pytest.mark.parametrize("n", [1, 2, 7, 50])
def test_steps_by_hand(n):
    env = gymnasium.make("navigation", n=n)
    rng = np.random.default_rng(1)
    observation, info = env.reset(seed=5)
    x = start = np.random.default_rng(5).standard_normal(n)
    np.testing.assert_array_equal(observation, x.astype(np.float32))
    assert info["best_return"] == pytest.approx(norm(start) / math.sqrt(n))
    assert info["normalized_return"] == 0
    total = 0.0
    for _ in range(40):
        # Half of these lie outside the action space.
        action = rng.uniform(-2, 2, n)
        observation, reward, terminated, truncated, info = env.step(action)
        following = [max(-1.0, min(1.0, a)) + b for a, b in zip(action, x, strict=True)]
        assert reward == pytest.approx((norm(x) - norm(following)) / math.sqrt(n), abs=1e-12)
        x, total = following, total + reward
        assert observation.dtype == np.float32
        np.testing.assert_allclose(observation, x, rtol=1e-6, atol=1e-6)
        assert not terminated
        assert not truncated
        assert info["normalized_return"] == pytest.approx(total / info["best_return"])
        assert info["best_return"] == pytest.approx(norm(start) / math.sqrt(n))
    # The next episode goes on with the same stream.
    stream = np.random.default_rng(5)
    stream.standard_normal(n)
    np.testing.assert_array_equal(env.reset()[0], stream.standard_normal(n).astype(np.float32))


@pytest.mark.parametrize(("kwargs", "length"), [({}, 1000), ({"episode_steps": 3}, 3)])
def test_an_episode_is_truncated_after_its_steps(kwargs, length):
    env = NavigationEnv(**kwargs)
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"call reset\(\)"):
        env.step(env.action_space.sample())
    env.reset()
    ends = [env.step(env.action_space.sample())[2:4] for _ in range(length)]
    assert ends == [(False, False)] * (length - 1) + [(False, True)]
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"call reset\(\)"):
        env.step(env.action_space.sample())
    env.reset()
    assert env.step(env.action_space.sample())[3] == (length == 1)


@pytest.mark.parametrize(("n", "steps"), [(1, 1), (2, 1), (2, 10), (10, 1), (10, 2), (100, 10)])
def test_a_greedy_policy_has_the_best_return(n, steps):
    env = NavigationEnv(n, steps)
    for seed in range(20):
        best = env.reset(seed=seed)[1]["best_return"]
        x, total = np.random.default_rng(seed).standard_normal(n), 0.0
        for _ in range(steps):
            action = np.array([-math.copysign(min(1.0, abs(value)), value) for value in x])
            _, reward, _, _, info = env.step(action)
            x, total = x + action, total + reward
        assert total == pytest.approx(best, abs=1e-12)
        assert info["normalized_return"] == pytest.approx(1.0)
        reached = steps >= math.ceil(np.abs(np.random.default_rng(seed).standard_normal(n)).max())
        assert (norm(x) < 1e-12) == reached


@pytest.mark.parametrize("start", [(3.5, -0.25), (0.75, 1.5), (-2.25, 2.0), (0.5, 0.25)])
def test_no_sequence_of_actions_has_more(start):
    """All sequences of two actions on a grid that contains the best ones."""
    moves = np.linspace(-1, 1, 9)
    returns = [
        (norm(start) - norm((start[0] + a + c, start[1] + b + d))) / math.sqrt(2)
        for a, b, c, d in itertools.product(moves, repeat=4)
    ]
    assert best_return(np.array([start]), 2)[0] == pytest.approx(max(returns), abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 10, 50])
def test_the_mean_of_the_best_return_is_that_of_the_chi_distribution(n):
    starts = np.random.default_rng(0).standard_normal((20_000, n))
    expected = math.sqrt(2 / n) * math.exp(math.lgamma((n + 1) / 2) - math.lgamma(n / 2))
    assert best_return(starts, 1000).mean() == pytest.approx(expected, rel=0.02)


@pytest.mark.parametrize("render_mode", [None, "rgb_array"])
def test_a_pickled_or_copied_environment_goes_on(render_mode):
    env = gymnasium.make("navigation", n=3, render_mode=render_mode)
    env.reset(seed=1)
    env.step(np.ones(3, np.float32))
    env.render()
    twins = pickle.loads(pickle.dumps(env)), copy.deepcopy(env)
    action = np.full(3, -0.5, np.float32)
    expected = env.step(action)
    for twin in twins:
        got = twin.step(action)
        np.testing.assert_array_equal(got[0], expected[0])
        assert got[1:] == expected[1:]
    following = env.reset()[0]
    for twin in twins:
        np.testing.assert_array_equal(twin.reset()[0], following)
    assert gymnasium.make(env.spec).unwrapped.n == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n is 0; allowed: a whole number, at least 1"),
        ({"n": 2.0}, "n is 2.0; allowed"),
        ({"n": "2"}, "n is '2'; allowed"),
        ({"n": True}, "n is True; allowed"),
        ({"episode_steps": 0}, "episode_steps is 0; allowed: a whole number, at least 1"),
        ({"render_mode": "human"}, "render_mode is 'human'; allowed: rgb_array"),
    ],
)
def test_bad_arguments_get_one_sentence(arguments, message):
    with pytest.raises(Sb3ScaleError, match=message) as caught:
        NavigationEnv(**arguments)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 2), (2, 1)])
def test_an_action_of_the_wrong_shape_gets_one_sentence(shape):
    env = gymnasium.make("navigation-2", disable_env_checker=True)
    env.reset(seed=0)
    with pytest.raises(Sb3ScaleError) as caught:
        env.step(np.zeros(shape, np.float32))
    sentence = f"the action has the shape {shape}; allowed: (2,), one number per dimension"
    assert str(caught.value) == sentence
    # It has not moved.
    expected = np.random.default_rng(0).standard_normal(2).astype(np.float32)
    np.testing.assert_array_equal(env.step(np.zeros(2))[0], expected)


def marked(picture):
    """Columns and rows of the pixels in matplotlib's second colour, #ff7f0e."""
    return np.argwhere((picture == [255, 127, 14]).all(axis=-1)).mean(axis=0)[::-1]


def test_the_plane_shows_where_the_position_is():
    left, right, top = (
        marked(draw(np.array([[0.0, 0.0], end]), 0.0)) for end in ([-0.8, 0], [0.8, 0], [0, 0.8])
    )
    assert right[0] - left[0] > 50
    assert abs(right[1] - left[1]) < 5
    assert left[1] - top[1] > 25


def test_below_the_plane_is_the_distance_over_time():
    near, mirrored, far = (
        draw(np.array([[0.0, 0.0], end, [0.0, 1.0]]), 0.0)[350:]
        for end in ([-0.3, 0], [0.3, 0], [0.8, 0])
    )
    np.testing.assert_array_equal(near, mirrored)
    assert not np.array_equal(near, far)


@pytest.mark.parametrize("n", [1, 2, 10])
def test_a_picture(n):
    env = NavigationEnv(n, render_mode="rgb_array")
    with pytest.raises(gymnasium.error.ResetNeeded, match="nothing to draw"):
        env.render()
    env.reset(seed=0)
    first = env.render()
    assert first.shape == (480, 480, 3)
    assert first.dtype == np.uint8
    assert len(np.unique(first.reshape(-1, 3), axis=0)) > 3
    env.step(env.action_space.sample())
    assert not np.array_equal(env.render(), first)
    env.reset(seed=0)
    np.testing.assert_array_equal(env.render(), first)
    assert NavigationEnv(n).render() is None


def test_videos_of_gymnasium_and_stable_baselines3(tmp_path):
    made = gymnasium.make("navigation-10", render_mode="rgb_array")
    assert made.metadata["render_fps"] == 30
    for name, env in (
        ("dummy", DummyVecEnv([lambda: made])),
        ("native", NavigationVecEnv("navigation-2", 2, {"render_mode": "rgb_array"})),
    ):
        recorder = VecVideoRecorder(env, str(tmp_path / name), lambda step: step == 0, 3)
        assert recorder.frames_per_sec == 30
        recorder.reset()
        for _ in range(4):
            recorder.step(np.zeros((env.num_envs, *env.action_space.shape), np.float32))
        (video,) = (tmp_path / name).glob("*.mp4")
        assert video.stat().st_size > 0
        recorder.close()


def test_without_matplotlib_only_pictures_are_refused(run_python):
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "from sb3_scale_envs.navigation_env import NavigationEnv\n"
        "NavigationEnv().reset()\n"
        "NavigationEnv(render_mode='rgb_array')\n"
    )
    result = run_python(code)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "sb3_scale.errors.Sb3ScaleError: render_mode 'rgb_array' of navigation needs matplotlib, "
        "which is not installed: python -m pip install sb3-scale"
    )
