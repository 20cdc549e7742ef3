import copy
import csv
import pickle
import warnings
from importlib.util import find_spec
from pathlib import Path

import envpool
import gymnasium
import numpy as np
import pytest
from envpool.mujoco.myosuite.tasks import MYOSUITE_TASKS
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from packaging.version import Version
from stable_baselines3 import SAC
from stable_baselines3.common.env_checker import check_env as sb3_check_env
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from zoo_commands import refused, run_process

from sb3_scale.errors import Sb3ScaleError
from sb3_scale_envs.myosuite import MyoSuiteEnv
from sb3_scale_envs.tasks import MYO_TASKS

EASY = [name for name in MYO_TASKS if not name.endswith("-hard")]
HARD = [name for name in MYO_TASKS if name.endswith("-hard")]
RANDOM_RESETS = Version(envpool.__version__) >= Version("1.2.6")
needs_random_resets = pytest.mark.skipif(
    not RANDOM_RESETS, reason="envpool 1.2.5, the last for Python 3.11, cannot do this"
)
TASKS = [*EASY, *[pytest.param(name, marks=needs_random_resets) for name in HARD]]

SIZES = {"key-turn": 93, "obj-hold": 91, "pen-twirl": 83, "pose": 108, "reach": 115}
"""Numbers of an observation: what MyoSuite's own package (2.12.2) gives."""


def sample_actions(count, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 39)).astype(np.float32)


def play(env, actions, seed):
    """Observations, rewards, ends and information until the episode is over."""
    observations, rest = [env.reset(seed=seed)[0]], []
    for action in actions:
        observation, *others = env.step(action)
        observations.append(observation)
        rest.append(others)
        if others[1] or others[2]:
            break
    return np.array(observations), rest


def play_raw(task, actions, seed):
    """The same from EnvPool: observations, rewards, terminations and ``solved``."""
    pool = envpool.make_gymnasium(
        MYO_TASKS[task][0], num_envs=1, seed=seed, max_episode_steps=len(actions) + 1
    )
    observations, rest = [pool.reset()[0][0]], []
    for action in actions:
        observation, reward, terminated, _, info = pool.step(action[None])
        observations.append(observation[0])
        rest.append((reward[0], terminated[0], info["solved"][0]))
        if terminated[0]:
            break
    return np.array(observations), *map(np.array, zip(*rest, strict=True))


def test_the_list_agrees_with_envpools():
    known = {task["id"]: task for task in MYOSUITE_TASKS}
    limits = {"KeyTurn": 200, "ObjHold": 75, "PenTwirl": 50, "Pose": 100, "Reach": 100}
    for official, control_timestep in MYO_TASKS.values():
        assert control_timestep == pytest.approx(0.002 * known[official]["frame_skip"])
        (limit,) = [steps for part, steps in limits.items() if f"Hand{part}" in official]
        assert known[official]["max_episode_steps"] == limit


@pytest.mark.parametrize("name", TASKS)
def test_each_step_is_that_of_envpool(name):
    env = gymnasium.make(name)
    assert env.observation_space == gymnasium.spaces.Box(
        -np.inf, np.inf, (SIZES[name.removesuffix("-hard")],), np.float32
    )
    assert env.action_space == gymnasium.spaces.Box(-1.0, 1.0, (39,), np.float32)
    actions = sample_actions(60)
    observations, rest = play(env, actions, seed=7)
    expected, rewards, terminations, solved = play_raw(name, actions, seed=7)
    assert observations.dtype == np.float32
    np.testing.assert_array_equal(observations, expected.astype(np.float32))
    np.testing.assert_array_equal([reward for reward, *_ in rest], rewards)
    np.testing.assert_array_equal([terminated for _, terminated, *_ in rest], terminations)
    np.testing.assert_array_equal([info["solved"] for *_, info in rest], solved)


@pytest.mark.parametrize("name", TASKS)
def test_check_env(name):
    env = gymnasium.make(name, action_repeat=2).unwrapped
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", ".*A Box observation space m")
        gymnasium_check_env(env, skip_render_check=True)
        sb3_check_env(env)


@pytest.mark.parametrize(("action_repeat", "decisions"), [(1, 100), (2, 50), (3, 34)])
def test_an_episode_has_100_control_steps_and_rewards_are_summed(action_repeat, decisions):
    env = gymnasium.make("pose", action_repeat=action_repeat)
    actions = sample_actions(decisions)
    observations, rest = play(env, actions, seed=0)
    assert [truncated for _, _, truncated, _ in rest] == [False] * (decisions - 1) + [True]
    assert not any(terminated for _, terminated, *_ in rest)
    assert rest[-1][3] == {"solved": False, "is_success": False}

    expected, rewards, *_ = play_raw("pose", np.repeat(actions, action_repeat, axis=0)[:100], 0)
    sums = [rewards[i : i + action_repeat].sum() for i in range(0, 100, action_repeat)]
    np.testing.assert_allclose([reward for reward, *_ in rest], sums, rtol=1e-6)
    np.testing.assert_array_equal(observations[-1], expected[-1].astype(np.float32))


def test_reward_and_end_of_reach_are_the_formulas_of_myosuite():
    # MyoSuite's reach_v0.py: five finger tips, near 0.0125 and far 0.044 each, no end in the first
    # two control steps.
    near, far = 5 * 0.0125, 5 * 0.044
    env = MyoSuiteEnv("reach")
    observations, rest = play(env, sample_actions(100), seed=0)
    error = observations[1:, 61:76].astype(np.float64)
    distance = np.linalg.norm(error, axis=1)
    reward = (
        -distance
        + 4.0 * ((distance < 2 * near) * 1.0 + (distance < near))
        - 50.0 * (distance > far)
    )
    np.testing.assert_allclose([reward for reward, *_ in rest], reward, atol=1e-5)
    assert len(rest) < 100
    assert [terminated for _, terminated, *_ in rest] == list(distance > far)
    assert not rest[-1][2]
    with pytest.raises(gymnasium.error.ResetNeeded, match=r"call reset\(\)"):
        env.step(np.zeros(39, np.float32))
    np.testing.assert_array_equal(env.reset()[0], observations[0])


def test_a_termination_ends_a_decision_early():
    actions = sample_actions(30)
    _, rewards, *_ = play_raw("reach", np.repeat(actions, 7, axis=0), seed=0)
    assert len(rewards) % 7
    observations, rest = play(MyoSuiteEnv("reach", action_repeat=7), actions, seed=0)
    assert rest[-1][1:3] == [True, False]
    assert len(rest) == -(-len(rewards) // 7)
    assert rest[-1][0] == pytest.approx(rewards[len(rewards) // 7 * 7 :].sum(), rel=1e-6)
    assert np.linalg.norm(observations[-1][61:76]) > 5 * 0.044


@pytest.mark.parametrize("action", [-1.0, 0.0, 0.5, 1.0])
def test_an_action_is_a_muscle_excitation(action):
    env = MyoSuiteEnv("pose", action_repeat=50)
    env.reset(seed=0)
    activations = env.step(np.full(39, action, np.float32))[0][-39:]
    np.testing.assert_allclose(activations, 1 / (1 + np.exp(-5 * (action - 0.5))), atol=1e-3)


def test_success_is_to_be_solved_at_any_control_step():
    # With this action the object passes its target in control steps 4 and 5, and falls.
    action = np.random.default_rng(249).uniform(-1, 1, 39) - 0.1
    action = np.clip(action, -1, 1).astype(np.float32)
    expected, *_, solved = play_raw("obj-hold", [action] * 100, seed=0)
    near = np.linalg.norm(expected[1:, -42:-39], axis=1) < 0.010
    np.testing.assert_array_equal(solved, near)
    assert list(np.flatnonzero(solved)) == [3, 4]

    _, rest = play(MyoSuiteEnv("obj-hold"), [action] * 100, seed=0)
    assert [info["is_success"] for *_, info in rest] == [False] * 3 + [True] * (len(solved) - 3)
    # Three control steps to a decision: the solved ones lie within the second.
    env = MyoSuiteEnv("obj-hold", action_repeat=3)
    _, rest = play(env, [action] * 100, seed=0)
    assert [info["is_success"] for *_, info in rest] == [False] + [True] * (len(rest) - 1)
    assert not any(info["solved"] for *_, info in rest)
    assert rest[-1][1]
    assert env.reset()[1] == {"solved": False, "is_success": False}


@pytest.mark.parametrize("name", TASKS)
def test_a_seed_gives_the_whole_episode_again(name):
    used, fresh = MyoSuiteEnv(name), MyoSuiteEnv(name)
    actions = sample_actions(20)
    play(used, sample_actions(15, seed=1), seed=1)
    got, expected = play(used, actions, 7), play(fresh, actions, 7)
    np.testing.assert_array_equal(got[0], expected[0])
    assert got[1] == expected[1]
    # Without a seed both go on with the same stream.
    np.testing.assert_array_equal(used.reset()[0], fresh.reset()[0])


@pytest.mark.parametrize("name", TASKS)
def test_only_the_hard_tasks_begin_differently(name):
    env = MyoSuiteEnv(name)
    seeds = [0, 1, 2**31, 2**31 + 1, 2**40]
    starts = [env.reset(seed=seed)[0] for seed in seeds] + [env.reset()[0] for _ in range(3)]
    assert len({start.tobytes() for start in starts}) == (8 if name in HARD else 1)
    np.testing.assert_array_equal(env.reset(seed=2**40)[0], starts[4])


@needs_random_resets
def test_an_unseeded_environment_tells_its_seed():
    env, other = MyoSuiteEnv("reach-hard"), MyoSuiteEnv("reach-hard")
    start = env.reset()[0]
    assert not np.array_equal(start, other.reset()[0])
    assert isinstance(env.np_random_seed, int)


@needs_random_resets
def test_the_hard_tasks_draw_from_the_ranges_of_myosuite():
    # MyoSuite's myobase/__init__.py and key_turn_v0.py, reach_v0.py.
    key, reach = MyoSuiteEnv("key-turn-hard"), MyoSuiteEnv("reach-hard")
    angles = np.array([key.reset(seed=seed)[0][46] for seed in range(40)])
    assert np.abs(angles).max() <= np.pi / 2
    assert angles.min() < -1
    assert angles.max() > 1
    observations = np.array([reach.reset(seed=seed)[0] for seed in range(40)], np.float64)
    thumb = observations[:, 46:49] + observations[:, 61:64]
    low = np.array([-0.165 - 0.020, -0.537 - 0.040, 1.495 - 0.040])
    assert (thumb >= low - 1e-6).all()
    assert (thumb <= low + [0.06, 0.06, 0.08] + 1e-6).all()
    assert (np.ptp(thumb, axis=0) > 0.03).all()


@pytest.mark.skipif(RANDOM_RESETS, reason="this envpool draws at each reset")
@pytest.mark.parametrize("name", HARD)
def test_a_hard_task_without_random_resets_is_refused(name):
    with pytest.raises(Sb3ScaleError, match=f"{name} needs envpool .* same state"):
        gymnasium.make(name)
    with pytest.raises(Sb3ScaleError, match="render_mode 'rgb_array' needs envpool 1"):
        gymnasium.make("reach", render_mode="rgb_array")
    # Stable-Baselines3 asks for pictures by itself, and does without.
    assert make_vec_env("reach").render_mode is None


PICTURE = """
import gymnasium
import numpy as np
from sb3_scale_envs.myosuite import MyoSuiteEnv
env = MyoSuiteEnv("key-turn", render_mode="rgb_array", width=64, height=48)
try:
    env.render()
except gymnasium.error.ResetNeeded as error:
    print(error)
env.reset(seed=0)
before = env.render()
assert before.shape == (48, 64, 3) and before.dtype == np.uint8 and before.std() > 1, before
for _ in range(10):
    env.step(np.ones(39, np.float32))
assert not np.array_equal(before, env.render())
assert env.metadata["render_fps"] == 50
"""


@needs_random_resets
def test_a_picture(run_python):
    # In a process of its own, where nothing has loaded OpenGL before.
    result = run_python(PICTURE)
    assert result.returncode == 0, result.stderr
    assert result.stdout == "nothing to draw: call reset() before render()\n"


@needs_random_resets
@pytest.mark.skipif(find_spec("triton") is None, reason="triton is not installed")
def test_triton_can_be_imported_after_a_picture(run_python):
    result = run_python(PICTURE + "import triton")
    assert result.returncode == 0, result.stderr


def test_without_render_mode_nothing_is_drawn():
    env = gymnasium.make("pen-twirl", action_repeat=2)
    env.reset(seed=0)
    assert env.render() is None
    assert env.metadata["render_fps"] == pytest.approx(50)
    env.close()
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.step(np.zeros(39, np.float32))


def test_a_pickled_or_copied_environment_plays_the_same():
    env = gymnasium.make("key-turn", action_repeat=2)
    actions = sample_actions(20)
    expected = play(env, actions, 5)[0]
    twins = pickle.loads(pickle.dumps(env)), copy.deepcopy(env), gymnasium.make(env.spec)
    for twin in twins:
        assert twin.unwrapped.action_repeat == 2
        np.testing.assert_array_equal(play(twin, actions, 5)[0], expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"task": "key-trun"}, "no task 'key-trun'.*did you mean 'key-turn'"),
        ({"action_repeat": 0}, "action_repeat is 0; allowed: a whole number, at least 1"),
        ({"render_mode": "human"}, "render_mode is 'human'; allowed: rgb_array"),
        ({"camera_id": 7}, "camera_id is 7; allowed: a whole number from -1 to 6"),
        ({"camera_id": "side"}, "camera_id is 'side'; allowed"),
    ],
)
def test_bad_arguments_get_one_sentence(arguments, message):
    with pytest.raises(Sb3ScaleError, match=message) as caught:
        MyoSuiteEnv(**({"task": "key-turn"} | arguments))
    assert "\n" not in str(caught.value)


def test_sb3_logs_the_success_rate(tmp_path: Path):
    class Throw(gymnasium.ActionWrapper):
        """The action that succeeds above, whatever the policy says."""

        def action(self, _):
            action = np.random.default_rng(249).uniform(-1, 1, 39) - 0.1
            return np.clip(action, -1, 1).astype(np.float32)

    rates = {}
    for name, wrapper in (("obj-hold", Throw), ("reach", gymnasium.Wrapper)):
        env = wrapper(gymnasium.make(name, action_repeat=2))
        model = SAC("MlpPolicy", env, policy_kwargs={"net_arch": [8]}, learning_starts=50, seed=0)
        model.set_logger(configure(str(tmp_path / name), ["csv"]))
        model.learn(60, log_interval=1)
        model.logger.close()
        with (tmp_path / name / "progress.csv").open() as file:
            rows = list(csv.DictReader(file))
        rates[name] = {row["rollout/success_rate"] for row in rows}
        assert len(rows) > 2
    assert rates["obj-hold"] == {"1.0"}
    assert rates["reach"] == {"0.0"}


def test_without_envpool_rl_zoo_says_what_to_install(tmp_path: Path):
    blocker = tmp_path / "blocker"
    blocker.mkdir()
    (blocker / "sitecustomize.py").write_text("import sys\nsys.modules['envpool'] = None\n")
    command = ("-m", "rl_zoo3.train", "--algo", "sac", "--env", "key-turn", "-f", "logs")
    done = run_process(tmp_path, *command, PYTHONPATH=str(blocker))
    assert refused(done) == (
        "error: key-turn needs EnvPool, which is not installed: "
        "python -m pip install 'sb3-scale[myo]'"
    )


def test_an_envpool_without_its_libraries_says_what_to_install(run_python, tmp_path: Path):
    package = tmp_path / "envpool"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('libEGL.so.1: cannot open')\n")
    code = "from sb3_scale_envs.myosuite import MyoSuiteEnv; MyoSuiteEnv('pose')"
    result = run_python(code, PYTHONPATH=str(tmp_path))
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "sb3_scale.errors.Sb3ScaleError: pose needs EnvPool, which cannot be imported "
        "(libEGL.so.1: cannot open): install libegl1 and libopengl0"
    )
