import copy
import pickle

import cloudpickle
import gymnasium
import numpy as np
import pytest
from dm_control import suite
from dm_control.suite import lqr_solver
from gymnasium.envs.registration import EnvSpec
from stable_baselines3.common.vec_env import SubprocVecEnv

from sb3_scale.errors import Sb3ScaleError
from sb3_scale_envs.dm_control import UNLIMITED_ACTION, DMControlEnv

SOME_TASKS = [
    ("cheetah", "run"),
    ("dog", "run"),
    ("humanoid", "walk"),
    ("manipulator", "bring_ball"),
    ("fish", "swim"),
]


def flat(observation):
    return np.concatenate([np.ravel(part) for part in observation.values()])


def sample_actions(env, count, seed=0):
    env.action_space.seed(seed)
    return [env.action_space.sample() for _ in range(count)]


def play(env, actions, seed):
    observations, rewards = [env.reset(seed=seed)[0]], []
    for action in actions:
        observation, reward, *_ = env.step(action)
        observations.append(observation)
        rewards.append(reward)
    return np.array(observations), np.array(rewards)


def play_raw(domain, task, actions, seed):
    raw = suite.load(domain, task, task_kwargs={"random": seed})
    timesteps = [raw.reset(), *[raw.step(action) for action in actions]]
    return timesteps


@pytest.mark.parametrize(("domain", "task"), SOME_TASKS)
def test_each_step_is_that_of_dm_control(domain, task):
    env = DMControlEnv(domain, task)
    actions = sample_actions(env, 60)
    observations, rewards = play(env, actions, seed=7)
    timesteps = play_raw(domain, task, actions, seed=7)
    expected = np.array([flat(timestep.observation) for timestep in timesteps])
    assert observations.dtype == np.float32
    np.testing.assert_array_equal(observations, expected.astype(np.float32))
    np.testing.assert_array_equal(rewards, [timestep.reward for timestep in timesteps[1:]])


@pytest.mark.parametrize(("domain", "task"), [*SOME_TASKS, ("quadruped", "walk")])
def test_the_spaces_are_flat_float32_with_the_bounds_of_the_task(domain, task):
    raw = suite.load(domain, task)
    env = DMControlEnv(domain, task)
    size = sum(int(np.prod(spec.shape)) for spec in raw.observation_spec().values())
    assert env.observation_space == gymnasium.spaces.Box(-np.inf, np.inf, (size,), np.float32)
    spec = raw.action_spec()
    assert env.action_space.dtype == np.float32
    np.testing.assert_array_equal(env.action_space.low, spec.minimum.astype(np.float32))
    np.testing.assert_array_equal(env.action_space.high, spec.maximum.astype(np.float32))


@pytest.mark.parametrize(
    ("action_repeat", "decisions", "last"),
    [(1, 1000, 1), (2, 500, 2), (3, 334, 1), (1500, 1, 1000)],
)
def test_an_episode_has_1000_control_steps_and_rewards_are_summed(action_repeat, decisions, last):
    env = gymnasium.make("cheetah-run", action_repeat=action_repeat)
    actions = sample_actions(env, decisions)
    env.reset(seed=3)
    steps = [env.step(action) for action in actions]
    assert [truncated for *_, truncated, _ in steps] == [False] * (decisions - 1) + [True]
    assert not any(terminated for _, _, terminated, _, _ in steps)
    assert steps[-1][4] == {"discount": 1.0}

    repeated = np.repeat(np.array(actions), action_repeat, axis=0)[:1000]
    timesteps = play_raw("cheetah", "run", repeated, seed=3)[1:]
    assert timesteps[-1].last()
    rewards = np.array([timestep.reward for timestep in timesteps])
    groups = [rewards[i : i + action_repeat].sum() for i in range(0, 1000, action_repeat)]
    assert len(rewards) - (decisions - 1) * action_repeat == last
    np.testing.assert_allclose([reward for _, reward, *_ in steps], groups, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(steps[-1][0], flat(timesteps[-1].observation).astype(np.float32))


def test_step_outside_an_episode_is_refused():
    env = DMControlEnv("pendulum", "swingup", action_repeat=1000)
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"call reset\(\)"):
        env.step(env.action_space.sample())
    env.reset()
    assert env.step(env.action_space.sample())[3]
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"call reset\(\)"):
        env.step(env.action_space.sample())
    env.reset()
    env.step(env.action_space.sample())


@pytest.mark.parametrize(("action_repeat", "decisions"), [(3, 334), (8, 125)])
def test_lqr_without_a_time_limit_is_truncated_after_1000_steps(action_repeat, decisions):
    assert suite.load("lqr", "lqr_6_2")._step_limit == np.inf
    env = DMControlEnv("lqr", "lqr_6_2", action_repeat=action_repeat)
    env.reset(seed=0)
    steps = [env.step(env.action_space.sample()) for _ in range(decisions)]
    assert [truncated for *_, truncated, _ in steps] == [False] * (decisions - 1) + [True]
    assert not any(terminated for _, _, terminated, _, _ in steps)


def test_a_discount_of_zero_is_a_termination():
    env = DMControlEnv("lqr", "lqr_2_1", action_repeat=4)
    env.reset(seed=0)
    env._env.physics.set_state(np.zeros(4))
    env._env.physics.forward()
    _, reward, terminated, truncated, info = env.step(np.zeros(1, np.float32))
    assert (terminated, truncated, info) == (True, False, {"discount": 0.0})
    assert reward == 1.0  # One control step of the four, in the goal.
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.zeros(1, np.float32))


@pytest.mark.parametrize("task", ["lqr_2_1", "lqr_6_2"])
def test_the_bound_of_lqr_leaves_room_for_the_optimal_controller(task):
    env = DMControlEnv("lqr", task)
    assert env._env.action_spec().maximum.max() == 1e10
    np.testing.assert_array_equal(env.action_space.high, np.float32(UNLIMITED_ACTION))
    np.testing.assert_array_equal(env.action_space.low, -np.float32(UNLIMITED_ACTION))
    _, gain, _ = lqr_solver.solve(env._env)
    largest = 0.0
    for seed in range(20):
        env.reset(seed=seed)
        for _ in range(200):
            action = gain @ env._env.physics.state()
            largest = max(largest, np.abs(action).max())
            env.step(action)
    assert 0.3 * UNLIMITED_ACTION < largest < UNLIMITED_ACTION


def test_lqr_is_the_same_task_in_each_environment():
    one, two = (DMControlEnv("lqr", "lqr_6_2") for _ in range(2))
    stiffness = one._env.physics.model.jnt_stiffness
    np.testing.assert_array_equal(stiffness, two._env.physics.model.jnt_stiffness)


@pytest.mark.parametrize(("domain", "task"), [*SOME_TASKS, ("lqr", "lqr_6_2")])
def test_a_seed_gives_the_whole_episode_again(domain, task):
    used, fresh = DMControlEnv(domain, task), DMControlEnv(domain, task)
    actions = sample_actions(used, 40)
    play(used, sample_actions(used, 30, seed=1), seed=1)
    for got, expected in zip(play(used, actions, 7), play(fresh, actions, 7), strict=True):
        np.testing.assert_array_equal(got, expected)
    # Without a seed both go on with the same stream, to another episode.
    following = used.reset()[0]
    np.testing.assert_array_equal(following, fresh.reset()[0])


def test_episodes_differ_between_seeds_and_along_the_stream():
    env = DMControlEnv("cheetah", "run")
    starts = [env.reset(seed=0)[0], env.reset(seed=1)[0], env.reset()[0], env.reset()[0]]
    assert len({start.tobytes() for start in starts}) == 4


def test_an_unseeded_environment_tells_its_seed():
    env, other = DMControlEnv("cheetah", "run"), DMControlEnv("cheetah", "run")
    start = env.reset()[0]
    assert not np.array_equal(start, other.reset()[0])
    assert isinstance(env.np_random, np.random.Generator)
    np.testing.assert_array_equal(other.reset(seed=env.np_random_seed)[0], start)


def test_seeds_above_32_bits_work():
    env, other = DMControlEnv("cheetah", "run"), DMControlEnv("cheetah", "run")
    big = 2**32 + 5
    np.testing.assert_array_equal(env.reset(seed=big)[0], other.reset(seed=big)[0])
    assert not np.array_equal(env.reset(seed=big)[0], env.reset(seed=5)[0])


@pytest.mark.parametrize("library", [pickle, cloudpickle])
@pytest.mark.parametrize("used", [False, True])
def test_a_pickled_environment_plays_the_same(library, used):
    env = gymnasium.make("ball_in_cup-catch", action_repeat=2)
    actions = sample_actions(env, 20)
    if used:
        play(env, actions, seed=1)
    twin = library.loads(library.dumps(env))
    assert twin.unwrapped.action_repeat == 2
    for got, expected in zip(play(twin, actions, 5), play(env, actions, 5), strict=True):
        np.testing.assert_array_equal(got, expected)


def test_the_spec_of_a_used_environment_makes_it_again():
    env = gymnasium.make("finger-spin", action_repeat=2)
    actions = sample_actions(env, 20)
    expected = play(env, actions, 5)[0]
    spec = env.spec
    copies = [
        copy.deepcopy(spec),
        pickle.loads(pickle.dumps(spec)),
        EnvSpec.from_json(spec.to_json()),
    ]
    for twin in (*[gymnasium.make(other) for other in copies], copy.deepcopy(env)):
        np.testing.assert_array_equal(play(twin, actions, 5)[0], expected)


@pytest.mark.slow
def test_processes_of_a_vector_environment_agree_with_their_seeds():
    def make():
        return DMControlEnv("cheetah", "run", action_repeat=2)

    vec_env = SubprocVecEnv([make, make])
    vec_env.seed(3)
    starts = vec_env.reset()
    vec_env.close()
    env = make()
    np.testing.assert_array_equal(starts, [env.reset(seed=seed)[0] for seed in (3, 4)])


@pytest.mark.parametrize(
    ("name", "action_repeat", "fps"), [("cheetah-run", 2, 50.0), ("dog-run", 1, 1 / 0.015)]
)
def test_frames_per_second_follow_the_control_step(name, action_repeat, fps):
    env = gymnasium.make(name, action_repeat=action_repeat)
    assert env.metadata["render_fps"] == pytest.approx(fps)
    assert "render_fps" not in DMControlEnv.metadata


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"domain": "dgo", "task": "run"}, "no domain 'dgo'.*did you mean 'dog'"),
        ({"domain": "dog", "task": "rnu"}, "'dog' has no task 'rnu'; allowed: .*'run'"),
        ({"action_repeat": 0}, "action_repeat is 0; allowed: a whole number, at least 1"),
        ({"action_repeat": 2.0}, "action_repeat is 2.0; allowed"),
        ({"action_repeat": True}, "action_repeat is True; allowed"),
        ({"action_repeat": "2"}, "action_repeat is '2'; allowed"),
        ({"width": -1}, "width is -1; allowed"),
        ({"height": 0}, "height is 0; allowed"),
        ({"render_mode": "rgb_aray"}, "render_mode is 'rgb_aray'.*did you mean 'rgb_array'"),
        ({"render_mode": "rgb_array", "camera_id": 9}, "camera_id is 9; allowed"),
        ({"render_mode": "rgb_array", "camera_id": "sde"}, "camera_id is 'sde'.*mean 'side'"),
    ],
)
def test_bad_arguments_get_one_sentence(arguments, message):
    with pytest.raises(Sb3ScaleError, match=message) as caught:
        DMControlEnv(**({"domain": "cheetah", "task": "run"} | arguments))
    assert "\n" not in str(caught.value)


def test_a_simulation_that_diverges_is_one_sentence_and_needs_a_reset():
    env = gymnasium.make("humanoid-run")
    env.reset(seed=0)
    env.unwrapped.physics.data.qvel[:] = 1e9
    action = np.zeros(env.action_space.shape, np.float32)
    with pytest.raises(Sb3ScaleError, match=r"^the simulation of humanoid-run diverged \d"):
        env.step(action)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(action)
    env.reset()
    env.step(action)
