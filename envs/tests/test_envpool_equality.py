"""
EnvPool's tasks are dm_control's and Gymnasium's: from one state, the same actions give the same.

EnvPool tells no state, and each task here shows enough of it in its first observation. Positions
that neither dynamics nor reward depend on, such as how far the cheetah has run, are 0.
"""

import envpool
import gymnasium
import numpy as np
import pytest

from sb3_scale_envs.envpool_tasks import GYMNASIUM_TASKS
from sb3_scale_envs.envpool_vec_env import EnvPoolVecEnv

SEEDS = (1, 2)


def assert_close(observation, expected):
    """
    Two versions of MuJoCo meet here, and in contact the smallest difference grows. A wrong order
    of the observation, sum of rewards or model is off by far more than this.
    """
    scale = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(observation / scale, expected / scale, rtol=0, atol=5e-4)


def first_arrays(name, seed):
    """EnvPool's first observation, in double precision."""
    observation, _ = envpool.make_gymnasium(name, num_envs=1, seed=seed).reset()
    return {key: value[0] for key, value in observation.items()}


def cheetah(seed, physics):
    arrays = first_arrays("CheetahRun-v1", seed)
    return [0, *arrays["position"]], arrays["velocity"], []


def hopper(seed, physics):
    arrays = first_arrays("HopperHop-v1", seed)
    return [0, *arrays["position"]], arrays["velocity"], []


def ball_in_cup(seed, physics):
    arrays = first_arrays("BallInCupCatch-v1", seed)
    return arrays["position"], arrays["velocity"], []


def cartpole(seed, physics):
    arrays = first_arrays("CartpoleSwingup-v1", seed)
    slider, cosine, sine = arrays["position"]
    return [slider, np.arctan2(sine, cosine)], arrays["velocity"], []


def walker(seed, physics):
    arrays = first_arrays("WalkerWalk-v1", seed)
    cosine, sine = arrays["orientations"].reshape(7, 2).T
    torso, thigh, leg, foot, *left = np.arctan2(sine, cosine)
    chains = ((torso, thigh, leg, foot), (torso, *left))
    # The joints turn against the axis that the orientations turn about.
    joints = -np.concatenate([np.diff(chain) for chain in chains])
    joints = (joints + np.pi) % (2 * np.pi) - np.pi
    return [arrays["height"] - 1.3, 0, torso, *joints], arrays["velocity"], []


def humanoid(seed, physics):
    # All tasks of the domain begin alike, and this one shows everything.
    arrays = first_arrays("HumanoidRunPureState-v1", seed)
    return arrays["position"], arrays["velocity"], []


def dog(seed, physics):
    # It begins in its default pose with a random heading, random velocities along x and y and
    # about z, and random activations.
    arrays = first_arrays("DogRun-v1", seed)
    qpos, qvel = physics.model.qpos0.copy(), np.zeros(physics.model.nv)
    # No observation tells the heading; it is the first draw of a std::mt19937.
    low, high = (int(n) for n in np.random.RandomState(seed).randint(2**32, size=2, dtype="uint32"))
    half = np.pi * (low + 2**32 * high) / 2**64
    qpos[3:7] = np.cos(half), 0, 0, np.sin(half)

    def sensed(index):
        with physics.reset_context():
            physics.data.qpos[:], physics.data.act[:] = qpos, arrays["actuator_state"]
            physics.data.qvel[:] = np.eye(physics.model.nv)[index]
        return np.concatenate([physics.torso_com_velocity(), physics.inertial_sensors()[3:]])

    moving = [0, 1, 5]
    wanted = np.concatenate([arrays["torso_com_velocity"], arrays["inertial_sensors"][3:]])
    matrix = np.transpose([sensed(index) for index in moving])
    qvel[moving], residual, *_ = np.linalg.lstsq(matrix, wanted, rcond=None)
    assert residual < 1e-12
    return qpos, qvel, arrays["actuator_state"]


TASKS = [
    ("cheetah-run", cheetah),
    ("hopper-hop", hopper),
    ("ball_in_cup-catch", ball_in_cup),
    ("cartpole-swingup", cartpole),
    ("walker-stand", walker),
    ("walker-run", walker),
    ("humanoid-walk", humanoid),
    ("humanoid-run_pure_state", humanoid),
    ("dog-run", dog),
    ("dog-stand", dog),
]


@pytest.mark.parametrize(("env_id", "state"), TASKS, ids=[task for task, _ in TASKS])
@pytest.mark.parametrize("seed", SEEDS)
def test_each_step_is_that_of_dm_control(env_id, state, seed):
    env = gymnasium.make(env_id, action_repeat=2).unwrapped
    env.reset(seed=0)
    physics = env._env.physics
    qpos, qvel, act = state(seed, physics)
    with physics.reset_context():
        physics.data.qpos[:], physics.data.qvel[:], physics.data.act[:] = qpos, qvel, act
    arrays = env._env.task.get_observation(physics).values()
    start = np.concatenate([np.ravel(array) for array in arrays])

    envs = EnvPoolVecEnv(env_id, 1, {"action_repeat": 2})
    envs.seed(seed)
    np.testing.assert_allclose(envs.reset()[0], start, rtol=1e-6, atol=1e-6)
    rng = np.random.default_rng(seed)
    rewards = []
    for _ in range(15):
        action = rng.uniform(-1, 1, env.action_space.shape).astype(np.float32)
        expected, reward, *_ = env.step(action)
        observations, got, dones, _ = envs.step(action[np.newaxis])
        assert_close(observations[0], expected)
        assert got[0] == pytest.approx(reward, rel=1e-4, abs=1e-5)
        assert not dones[0]
        rewards.append(reward)
    if env_id.startswith(("walker", "dog", "cartpole")):
        assert max(rewards) > 1e-4


def gymnasium_state(env_id, observation, model):
    """Position and velocity that Gymnasium's tasks show."""
    robot = env_id.partition("-")[0]
    qpos, qvel = np.zeros(model.nq), np.zeros(model.nv)
    if robot == "InvertedDoublePendulum":
        qpos[:] = observation[0], *np.arctan2(observation[1:3], observation[3:5])
        qvel[:] = observation[5:8]
    elif robot == "Reacher":
        qpos[:] = *np.arctan2(observation[2:4], observation[:2]), *observation[4:6]
        qvel[:2] = observation[6:8]
    elif robot == "Pusher":
        # The object slides along y first.
        qpos[:7], qvel[:7] = observation[:7], observation[7:14]
        qpos[7:9] = (observation[17:19] - model.body("object").pos[:2])[::-1]
    else:
        hidden = {"InvertedPendulum": 0, "HalfCheetah": 1, "Hopper": 1, "Walker2d": 1}
        hidden = hidden.get(robot, 2)
        qpos[hidden:] = observation[: model.nq - hidden]
        qvel[:] = observation[model.nq - hidden :][: model.nv]
    return qpos, qvel


@pytest.mark.parametrize("env_id", GYMNASIUM_TASKS)
@pytest.mark.filterwarnings("ignore:.*is out of date")
def test_each_step_is_that_of_gymnasium(env_id):
    env = gymnasium.make(env_id)
    envs = EnvPoolVecEnv(env_id)
    assert envs.observation_space == env.observation_space
    assert envs.action_space == env.action_space
    envs.seed(3)
    start = envs.reset()[0]
    assert start.dtype == env.observation_space.dtype
    env.reset(seed=0)
    env.unwrapped.set_state(*gymnasium_state(env_id, start, env.unwrapped.model))
    rng = np.random.default_rng(0)
    for _ in range(50):
        low, high = env.action_space.low, env.action_space.high
        action = rng.uniform(low, high).astype(np.float32)
        expected, reward, terminated, truncated, _ = env.step(action)
        observations, got, dones, (info,) = envs.step(action[np.newaxis])
        last = info.get("terminal_observation", observations[0])
        assert_close(last, expected)
        assert got[0] == pytest.approx(reward, rel=1e-4, abs=1e-4)
        assert dones[0] == (terminated or truncated)
        assert info["TimeLimit.truncated"] == (truncated and not terminated)
        if dones[0]:
            break
    # Random actions topple these within 50 steps, and Reacher's time is up.
    ends = ("Ant", "Hopper", "Humanoid-", "Inverted", "Reacher")
    assert dones[0] == env_id.startswith(ends)
