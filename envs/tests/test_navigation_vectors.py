"""The two vectors of navigation are single environments, step by step and bit for bit."""

import copy
from functools import partial

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from gymnasium.wrappers.vector import RecordEpisodeStatistics
from small_models import make
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from sb3_scale import SAC, TD3
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.testing import check_component
from sb3_scale_envs.navigation_vec_env import NavigationVecEnv
from sb3_scale_envs.navigation_vector_env import NavigationVectorEnv

COUNT, LENGTH = 5, 6
SIZES = [1, 2, 3, 8, 9, 10, 17, 50, 100, 129]
"""NumPy's sums change their order at 8 and at 128 numbers."""


def actions_for(n, count, dtype=np.float32):
    """A quarter of the numbers are outside the action space."""
    rng = np.random.default_rng(n)
    return rng.uniform(-4 / 3, 4 / 3, (count, COUNT, n)).astype(dtype)


def assert_same(ours, theirs, where):
    """Types and bits of nested answers; the order of a dictionary's keys is free."""
    assert type(ours) is type(theirs), where
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), where
        for key in theirs:
            assert_same(ours[key], theirs[key], f"{where}, {key}")
    elif isinstance(theirs, (list, tuple)):
        assert len(ours) == len(theirs), where
        for index, pair in enumerate(zip(ours, theirs, strict=True)):
            assert_same(*pair, f"{where}[{index}]")
    elif isinstance(theirs, np.ndarray):
        assert ours.dtype == theirs.dtype, where
        if theirs.dtype == object:
            assert_same(ours.tolist(), theirs.tolist(), where)
        else:
            np.testing.assert_array_equal(ours, theirs, where)
    else:
        assert ours == theirs, where


def vec_envs(n, count=COUNT, **kwargs):
    kwargs = {"n": n, "episode_steps": LENGTH, **kwargs}
    singles = [partial(gymnasium.make, "navigation", **kwargs)] * count
    return NavigationVecEnv("navigation", count, kwargs), DummyVecEnv(singles)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", SIZES)
def test_the_vec_env_is_a_dummy_vec_env(n, dtype):
    pair = vec_envs(n)
    for env in pair:
        assert env.seed(3) == [3, 4, 5, 6, 7]
    assert_same(*(env.reset() for env in pair), "reset")
    assert_same(*(env.reset_infos for env in pair), "reset")
    for t, actions in enumerate(actions_for(n, 3 * LENGTH + 2, dtype)):
        ours, theirs = (env.step(actions) for env in pair)
        assert_same(ours, theirs, f"step {t}")
        assert_same(*(env.reset_infos for env in pair), f"step {t}")
        assert ours[2].all() == ((t + 1) % LENGTH == 0)
    # A reset within an episode goes on with the streams, one after seed begins them again.
    assert_same(*(env.reset() for env in pair), "second reset")
    for env in pair:
        env.seed(4)
    assert_same(*(env.reset() for env in pair), "third reset")
    assert_same(*(env.step(actions) for env in pair), "step after it")


def test_an_answer_stays_as_it_was():
    vec_env, vector_env = vec_envs(2)[0], NavigationVectorEnv(COUNT, 2, LENGTH)
    vec_env.reset(), vector_env.reset()
    for env in (vec_env, vector_env):
        kept = []
        for actions in actions_for(2, 2 * LENGTH):
            answer = env.step(actions)
            kept.append((answer, copy.deepcopy(answer)))
        for answer, before in kept:
            assert_same(answer, before, "changed later")


def test_unseeded_environments_differ():
    one, other = vec_envs(2)[0].reset(), vec_envs(2)[0].reset()
    assert len(np.unique([*one, *other], axis=0)) == 2 * COUNT
    vector = NavigationVectorEnv(COUNT)
    assert len(np.unique(vector.reset()[0], axis=0)) == COUNT
    seeds = list(vector.np_random_seed)
    np.testing.assert_array_equal(
        vector.reset(seed=seeds)[0], NavigationVectorEnv(COUNT).reset(seed=seeds)[0]
    )


def vectors(n, mode):
    kwargs = {"n": n, "episode_steps": LENGTH}
    ours = gymnasium.make_vec("navigation", COUNT, autoreset_mode=mode, **kwargs)
    theirs = gymnasium.make_vec(
        "navigation",
        COUNT,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": mode},
        **kwargs,
    )
    assert isinstance(ours, NavigationVectorEnv)
    assert isinstance(theirs, SyncVectorEnv)
    return ours, theirs


@pytest.mark.parametrize("mode", AutoresetMode)
@pytest.mark.parametrize("n", SIZES)
def test_the_vector_env_is_a_sync_vector_env(n, mode):
    pair = vectors(n, mode)
    for name in ("observation_space", "action_space", "metadata", "render_mode", "num_envs"):
        assert_same(*(getattr(env, name) for env in pair), name)
        assert getattr(pair[0], f"single_{name}", 0) == getattr(pair[1], f"single_{name}", 0)
    assert_same(*(env.reset(seed=3) for env in pair), "reset")
    mask = np.array([True, False, True, False, False])
    for t, actions in enumerate(actions_for(n, 4 * LENGTH)):
        if t == 2:
            # From here on the episodes end at different steps.
            assert_same(*(env.reset(options={"reset_mask": mask}) for env in pair), "mask")
        assert_same(*(env.step(actions) for env in pair), f"step {t}")
        over = pair[1]._truncations.copy()
        if mode is AutoresetMode.NEXT_STEP and over.any():
            # All but one of those that wait for their next step are reset before it.
            over[over.argmax()] = False
        if mode is not AutoresetMode.SAME_STEP and over.any():
            options = [{"reset_mask": over.copy()} for _ in pair]
            assert_same(*(e.reset(options=o) for e, o in zip(pair, options, strict=True)), "mask")
    seeds = [9, None, 7, None, 2**40]
    assert_same(*(env.reset(seed=seeds) for env in pair), "seeds")
    assert_same(*(env.step(actions) for env in pair), "step after seeds")
    assert_same(*(env.np_random_seed for env in pair), "seeds")
    for ours, theirs in zip(*(env.np_random for env in pair), strict=True):
        assert ours.bit_generator.state == theirs.bit_generator.state


def test_each_episode_s_end_is_met_with_every_mode():
    """The test above would also pass if no episode ended."""
    for mode in AutoresetMode:
        env = vectors(2, mode)[0]
        env.reset(seed=0)
        answers = [env.step(actions) for actions in actions_for(2, LENGTH)]
        assert [answer[3].all() for answer in answers] == [False] * (LENGTH - 1) + [True]
        assert ("final_obs" in answers[-1][4]) == (mode is AutoresetMode.SAME_STEP)
        if mode is AutoresetMode.DISABLED:
            with pytest.raises(gymnasium.error.ResetNeeded, match=r"call reset\(\)"):
                env.step(np.zeros((COUNT, 2)))
        elif mode is AutoresetMode.NEXT_STEP:
            assert not env.step(np.full((COUNT, 2), np.nan))[1].any()
            assert env.step(np.ones((COUNT, 2)))[1].all()


def test_ids_make_vectors_of_their_dimension():
    for n in (2, 10, 50, 100):
        mode = {"vectorization_mode": "vector_entry_point"}
        env = gymnasium.make_vec(f"navigation-{n}", num_envs=3, **mode)
        assert env.single_observation_space.shape == (n,)
        assert env.spec.id == f"navigation-{n}"
        assert NavigationVecEnv(f"navigation-{n}").observation_space.shape == (n,)
    assert gymnasium.make_vec("navigation", n=7).single_action_space.shape == (7,)
    assert gymnasium.spec("dog-run").vector_entry_point is None


def test_gymnasium_s_episode_statistics():
    env = RecordEpisodeStatistics(vectors(10, AutoresetMode.NEXT_STEP)[0])
    env.reset(seed=0)
    for actions in actions_for(10, LENGTH):
        infos = env.step(actions)[4]
    np.testing.assert_allclose(
        infos["episode"]["r"] / infos["best_return"], infos["normalized_return"], rtol=1e-6
    )
    assert infos["episode"]["l"].tolist() == [LENGTH] * COUNT


@pytest.mark.parametrize("n", [2, 3])
def test_pictures_are_those_of_single_environments(n):
    pair = vec_envs(n, count=2, render_mode="rgb_array")
    ours = NavigationVectorEnv(2, n, LENGTH, "rgb_array")
    with pytest.raises(gymnasium.error.ResetNeeded, match="nothing to draw"):
        ours.render()
    ours.reset(seed=1)
    for env in pair:
        env.seed(1)
        env.reset()
    # One more than an episode: Gymnasium spends a step on the reset, Stable-Baselines3 none.
    for t, actions in enumerate(actions_for(n, LENGTH + 1)[:, :2]):
        ours.step(actions)
        for env in pair:
            env.step(actions)
        if t in (2, LENGTH):
            pictures = [env.get_images() for env in pair]
            assert_same(*pictures, "")
            assert pair[0].render().shape == pair[1].render().shape
        if t == 2:
            assert_same(list(ours.render()), pictures[0], "")
    assert NavigationVectorEnv(2).render() == (None, None)


@pytest.mark.parametrize("algorithm", [SAC, TD3])
def test_an_algorithm_stores_the_last_observation_of_an_episode(algorithm):
    native = vec_envs(3)[0]
    env = VecMonitor(native, info_keywords=("best_return", "normalized_return"))
    model = make(algorithm, VecNormalize(env, norm_obs=False, norm_reward=False))
    model.learn(200)
    buffer, twin = model.replay_buffer, vec_envs(3)[1]
    twin.seed(0)
    start = twin.reset()
    for t in range(200 // COUNT):
        np.testing.assert_array_equal(buffer.observations[t], start)
        start, rewards, dones, infos = twin.step(buffer.actions[t])
        np.testing.assert_array_equal(buffer.rewards[t], rewards)
        stored = [info.get("terminal_observation", s) for info, s in zip(infos, start, strict=True)]
        np.testing.assert_array_equal(buffer.next_observations[t], stored)
        np.testing.assert_array_equal(buffer.timeouts[t], dones)
        assert dones.all() == ((t + 1) % LENGTH == 0)
    assert len(model.ep_info_buffer) == COUNT * (200 // COUNT // LENGTH)
    for episode in model.ep_info_buffer:
        assert episode["l"] == LENGTH
        ratio = episode["r"] / episode["best_return"]
        assert episode["normalized_return"] == pytest.approx(ratio, rel=1e-4, abs=1e-6)


def test_it_keeps_the_contract_of_a_backend():
    check_component("env-backend", "navigation", env="navigation-2")


def test_what_stable_baselines3_asks_of_a_vec_env():
    env = vec_envs(3)[0]
    assert env.get_attr("spec", [1])[0].kwargs["n"] == 3
    assert env.spec.id == "navigation"
    assert env.get_attr("render_mode") == [None] * COUNT
    assert env.env_is_wrapped(VecMonitor) == [False] * COUNT
    assert not env.has_attr("compute_reward")
    for call in (
        lambda: env.get_attr("physics"),
        lambda: env.set_attr("physics", 1),
        lambda: env.env_method("physics"),
    ):
        with pytest.raises(AttributeError, match="no Python objects and have no 'physics'"):
            call()
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"call reset\(\)"):
        env.step(np.zeros((COUNT, 3)))


@pytest.mark.parametrize(
    ("make_it", "message"),
    [
        (
            lambda: NavigationVecEnv("dog-run"),
            "^env_backend 'navigation' does not have the task 'dog-run'; allowed: navigation, navi",
        ),
        (lambda: NavigationVecEnv("navigation-5"), "task 'navigation-5'; .* did you mean 'navig"),
        (lambda: NavigationVecEnv("navigation", 0), "n_envs is 0; allowed: a whole number"),
        (lambda: NavigationVecEnv("navigation", 2, {"n": 0}), "n is 0; allowed: a whole number"),
        (
            lambda: NavigationVecEnv("navigation", 2, {"episode_step": 5}),
            "does not take the env_kwargs 'episode_step' .* did you mean 'episode_steps'",
        ),
        (lambda: NavigationVectorEnv(0), "num_envs is 0; allowed: a whole number, at least 1"),
        (lambda: NavigationVectorEnv(2, n=0), "n is 0; allowed: a whole number, at least 1"),
        (
            lambda: NavigationVectorEnv(autoreset_mode="SameStop"),
            "autoreset_mode is 'SameStop'; allowed: .* did you mean 'SameStep'",
        ),
        (lambda: NavigationVectorEnv(2).reset(seed=[1]), "there are 1 seeds; allowed: 2, or one"),
        (
            lambda: NavigationVectorEnv(2).reset(options={"reset_mask": [True, False]}),
            r"options\['reset_mask'\] is \[True, False\]; allowed: a NumPy array of 2 booleans",
        ),
        (
            lambda: NavigationVectorEnv(2).reset(options={"reset_mask": np.zeros(2, bool)}),
            r"options\['reset_mask'\] is array\(\[False, False\]\); .* one or more of them true",
        ),
    ],
)
def test_bad_arguments_get_one_sentence(make_it, message):
    with pytest.raises(Sb3ScaleError, match=message) as caught:
        make_it()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(5, 2), (5, 4), (4, 3), (3,), (1, 3)])
def test_actions_of_the_wrong_shape_get_one_sentence(shape):
    for env in (vec_envs(3)[0], NavigationVectorEnv(COUNT, 3)):
        env.reset()
        with pytest.raises(Sb3ScaleError) as caught:
            env.step(np.zeros(shape, np.float32))
        assert str(caught.value) == (
            f"actions have the shape {shape}; allowed: (5, 3), one row per environment and one "
            "column per dimension"
        )
