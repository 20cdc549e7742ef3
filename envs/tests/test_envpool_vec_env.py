import envpool
import gymnasium
import numpy as np
import pytest
from small_models import make
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from sb3_scale import SAC
from sb3_scale.errors import Sb3ScaleError
from sb3_scale.testing import check_component
from sb3_scale_envs.envpool_tasks import _names
from sb3_scale_envs.envpool_vec_env import EnvPoolVecEnv
from sb3_scale_envs.tasks import MYO_TASKS, TASKS

SUITE = [f"{domain}-{task}" for domain in TASKS if domain != "lqr" for task in TASKS[domain]]
EASY = [name for name in MYO_TASKS if not name.endswith("-hard")]


def actions_for(env, count, seed=0):
    rng = np.random.default_rng(seed)
    shape = (count, env.num_envs, *env.action_space.shape)
    return rng.uniform(env.action_space.low, env.action_space.high, shape).astype(np.float32)


def play(env, count, seed=0):
    observations, rest = [env.reset()], []
    for actions in actions_for(env, count, seed):
        observation, *others = env.step(actions)
        observations.append(observation)
        rest.append(others)
    return np.array(observations), *map(list, zip(*rest, strict=True))


def alone(name, seed, actions, action_repeat, limit):
    """
    One environment in EnvPool's own order, where the step after the last ignores its action.

    Each entry is what Stable-Baselines3 must be told: next, reward, done, terminal, truncated.
    """
    pool = envpool.make_gymnasium(name, num_envs=1, seed=seed, max_episode_steps=limit)
    yield pool.reset()[0][0]
    for action in actions:
        total, ended = 0.0, False
        for _ in range(action_repeat):
            observation, reward, terminated, truncated, _ = pool.step(action[None])
            total += reward[0]
            ended = terminated[0] or truncated[0]
            if ended:
                break
        last = observation[0]
        if ended:
            observation, *_ = pool.step(np.zeros_like(action)[None])
        yield observation[0], total, ended, last, bool(truncated[0])


@pytest.mark.parametrize(
    ("env_id", "action_repeat", "limit"),
    [("reach", 7, 100), ("reach", 1, 100), ("Hopper-v4", 1, 1000), ("pose", 3, 100)],
)
def test_the_order_of_an_episodes_end_is_stable_baselines3s(env_id, action_repeat, limit):
    kwargs = {} if action_repeat == 1 else {"action_repeat": action_repeat}
    env = EnvPoolVecEnv(env_id, 3, kwargs)
    env.seed(5)
    observations, rewards, dones, infos = play(env, 60)
    actions = actions_for(env, 60)
    ends = np.sum(dones, axis=0)
    assert (ends > 0).all()
    for i in range(3):
        name = _names()[env_id]
        first, *steps = alone(name, 5 + i, actions[:, i], action_repeat, limit)
        np.testing.assert_array_equal(observations[0][i], first.astype(observations.dtype))
        for t, (following, total, ended, last, truncated) in enumerate(steps):
            where = f"environment {i}, step {t}"
            following, last = (array.astype(observations.dtype) for array in (following, last))
            np.testing.assert_array_equal(observations[t + 1][i], following, where)
            assert rewards[t][i] == pytest.approx(total, rel=1e-5, abs=1e-6), where
            assert dones[t][i] == ended, where
            info = infos[t][i]
            assert info["TimeLimit.truncated"] == (ended and truncated), where
            assert ("terminal_observation" in info) == ended, where
            if ended:
                np.testing.assert_array_equal(info["terminal_observation"], last, where)
                assert not np.array_equal(last, following)


@pytest.mark.parametrize("env_id", ["reach", "obj-hold"])
def test_myosuite_is_that_of_gymnasium_with_its_success(env_id):
    """The same simulator within DummyVecEnv, so that all must be equal, infos too."""
    env = EnvPoolVecEnv(env_id, 2, {"action_repeat": 2})
    theirs = DummyVecEnv([lambda: gymnasium.make(env_id, action_repeat=2)] * 2)
    # With this action the object passes its target in control steps 4 and 5, and falls.
    action = np.random.default_rng(249).uniform(-1, 1, 39) - 0.1
    actions = np.stack([np.clip(action, -1, 1)] * 2).astype(np.float32)
    for vec_env in (env, theirs):
        vec_env.seed(0)
    np.testing.assert_array_equal(env.reset(), theirs.reset())
    solved = False
    for _ in range(60):
        (got, rewards, dones, infos), expected = env.step(actions), theirs.step(actions)
        np.testing.assert_array_equal(got, expected[0])
        np.testing.assert_allclose(rewards, expected[1], rtol=1e-5)
        np.testing.assert_array_equal(dones, expected[2])
        for ours, info in zip(infos, expected[3], strict=True):
            assert ours.keys() == info.keys()
            for key in ours:
                np.testing.assert_array_equal(ours[key], info[key])
            solved |= ours["is_success"]
    assert solved == (env_id == "obj-hold")


@pytest.mark.parametrize(("action_repeat", "decisions"), [(1, 1000), (3, 334)])
def test_an_episode_of_the_suite_has_1000_control_steps(action_repeat, decisions):
    env = EnvPoolVecEnv("pendulum-swingup", 2, {"action_repeat": action_repeat})
    _, _, dones, infos = play(env, decisions + 1)
    assert [done.all() for done in dones] == [False] * (decisions - 1) + [True, False]
    assert not np.any(dones[:-2])
    assert all(info["TimeLimit.truncated"] for info in infos[-2])


@pytest.mark.parametrize("env_id", [*SUITE, *EASY])
def test_spaces_are_those_of_gymnasium(env_id):
    env, other = EnvPoolVecEnv(env_id), gymnasium.make(env_id)
    assert env.observation_space == other.observation_space
    assert env.action_space == other.action_space
    observation = env.reset()
    assert observation.shape == (1, *other.observation_space.shape)
    assert observation.dtype == np.float32
    # All columns are written, and again by each step.
    following = env.step(actions_for(env, 1)[0])[0]
    assert np.isfinite(observation).all()
    assert np.isfinite(following).all()


@pytest.mark.parametrize(
    "env_id",
    [
        "walker-run",
        pytest.param("dog-run", marks=pytest.mark.slow),
        "humanoid-run",
        "finger-turn_hard",
    ],
)
def test_a_seed_gives_the_rollout_again_and_all_starts_differ(env_id):
    kwargs = {"action_repeat": 500}
    env, other = EnvPoolVecEnv(env_id, 3, kwargs), EnvPoolVecEnv(env_id, 3, kwargs)
    env.seed(7), other.seed(7)
    first, second = play(env, 4), play(other, 4)
    np.testing.assert_array_equal(first[0], second[0])
    np.testing.assert_array_equal(first[1], second[1])
    starts = first[0][::2].reshape(9, -1)
    assert len({start.tobytes() for start in starts}) == 9
    # A reset without a seed goes on, one with it begins again.
    np.testing.assert_array_equal(env.reset(), other.reset())
    assert not np.array_equal(env.reset(), first[0][0])
    env.seed(7)
    np.testing.assert_array_equal(env.reset(), first[0][0])
    env.seed(8)
    np.testing.assert_array_equal(env.reset()[:2], first[0][0][1:])


def test_seeds_of_32_bits_and_none():
    env, other = EnvPoolVecEnv("cheetah-run"), EnvPoolVecEnv("cheetah-run")
    assert not np.array_equal(env.reset(), other.reset())
    env.seed(2**32 - 1), other.seed(2**31 - 1)
    np.testing.assert_array_equal(env.reset(), other.reset())
    np.random.seed(0)
    start = EnvPoolVecEnv("cheetah-run").reset()
    np.random.seed(0)
    np.testing.assert_array_equal(EnvPoolVecEnv("cheetah-run").reset(), start)


def test_a_reset_drops_a_step_under_way():
    env, other = EnvPoolVecEnv("cheetah-run", 2), EnvPoolVecEnv("cheetah-run", 2)
    env.seed(0), other.seed(0)
    env.reset(), other.reset()
    env.step_async(actions_for(env, 1)[0])
    np.testing.assert_array_equal(env.reset(), other.reset())
    np.testing.assert_array_equal(*(e.step(actions_for(e, 1)[0])[0] for e in (env, other)))
    env.step_async(actions_for(env, 1)[0])
    env.close()
    assert env.reset().shape == (2, 17)


def test_an_algorithm_stores_the_last_observation_of_an_episode():
    settings = ("ball_in_cup-catch", 3, {"action_repeat": 100})
    env = VecNormalize(VecMonitor(EnvPoolVecEnv(*settings)), norm_reward=False)
    model = make(SAC, env, train_freq=1, gradient_steps=1)
    model.learn(75)
    buffer, twin = model.replay_buffer, EnvPoolVecEnv(*settings)
    twin.seed(0)
    start = twin.reset()
    rewards, ends = [], []
    for t in range(25):
        np.testing.assert_allclose(buffer.observations[t], start, rtol=1e-5, atol=1e-6)
        start, reward, dones, infos = twin.step(buffer.actions[t])
        rewards.append(reward)
        stored = [info.get("terminal_observation", s) for info, s in zip(infos, start, strict=True)]
        # Where an episode ends, Stable-Baselines3 takes the normalisation off again.
        np.testing.assert_allclose(buffer.next_observations[t], stored, rtol=1e-3, atol=1e-4)
        if dones.any():
            ends.append(t)
    # Ten decisions to an episode, all of them truncated.
    assert ends == [9, 19]
    np.testing.assert_array_equal(np.flatnonzero(buffer.dones.all(axis=1)), ends)
    np.testing.assert_array_equal(buffer.timeouts, buffer.dones)
    episodes = list(model.ep_info_buffer)
    assert [episode["l"] for episode in episodes] == [10] * 6
    returns = np.reshape(rewards[:20], (2, 10, 3)).sum(axis=1).ravel()
    np.testing.assert_allclose([episode["r"] for episode in episodes], returns, rtol=1e-5)


def test_what_stable_baselines3_asks_of_a_vec_env():
    env = EnvPoolVecEnv("walker-walk", 2, {"action_repeat": 2})
    assert env.get_attr("spec", [1])[0].kwargs["action_repeat"] == 2
    assert env.render_mode is None
    assert env.env_is_wrapped(VecMonitor) == [False, False]
    assert not env.has_attr("compute_reward")
    for call in (
        lambda: env.get_attr("physics"),
        lambda: env.set_attr("physics", 1),
        lambda: env.env_method("physics"),
    ):
        with pytest.raises(AttributeError, match="no Python objects and have no 'physics'"):
            call()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"env_id": "dog-rnu"}, "does not have the task 'dog-rnu'; .* did you mean 'dog-run'"),
        ({"env_id": "lqr-lqr_2_1"}, "does not have the task 'lqr-lqr_2_1'; allowed: .* but lqr's"),
        ({"env_id": "Humanoid-v4"}, "not have the task 'Humanoid-v4'.* mean 'Humanoid-v5'"),
        ({"n_envs": 0}, "n_envs is 0; allowed: a whole number, at least 1"),
        ({"num_threads": -1}, "num_threads is -1; allowed: a whole number, at least 0"),
        ({"env_kwargs": {"action_repeat": 0}}, "action_repeat is 0; allowed: a whole number"),
        (
            {"env_kwargs": {"action_repaet": 2}},
            "does not take the env_kwargs 'action_repaet' .*did you mean 'action_repeat'",
        ),
        (
            {"env_id": "Ant-v4", "env_kwargs": {"action_repeat": 2}},
            "does not take the env_kwargs 'action_repeat' .*allowed: none",
        ),
    ],
)
def test_bad_arguments_get_one_sentence(arguments, message):
    with pytest.raises(Sb3ScaleError, match=message) as caught:
        EnvPoolVecEnv(**({"env_id": "dog-run"} | arguments))
    assert "\n" not in str(caught.value)


def test_it_keeps_the_contract_of_a_backend():
    check_component("env-backend", "envpool", env="cartpole-balance")
