import pickle
import warnings
from typing import ClassVar

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from gymnasium.wrappers import FrameStackObservation, TransformObservation
from stable_baselines3.common.env_checker import check_env as sb3_check_env
from stable_baselines3.common.preprocessing import is_image_space_channels_first
from stable_baselines3.common.vec_env import DummyVecEnv

import sb3_scale
from sb3_scale.collection.time_limits import max_episode_steps
from sb3_scale.errors import Sb3ScaleError
from sb3_scale_envs.pixels import PixelObservation

PLAIN = {"shadows": False, "reflections": False, "antialiasing": False}


class Counter(gymnasium.Env):
    """Draws the number of its steps in each pixel."""

    metadata: ClassVar = {"render_modes": ["rgb_array"], "render_fps": 10}
    observation_space = gymnasium.spaces.Box(0, 255, (1,), np.float32)
    action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, render_mode="rgb_array", shape=(8, 12, 3), dtype=np.uint8):
        self.render_mode = render_mode
        self.shape, self.dtype = shape, dtype

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.count = 1
        return np.ones(1, np.float32), {}

    def step(self, action):
        self.count += 1
        return np.full(1, self.count, np.float32), 1.0, False, False, {}

    def render(self):
        return np.full(self.shape, self.count, self.dtype)


def counts(observation):
    assert observation.dtype == np.uint8
    values = observation[::3, 0, 0]
    np.testing.assert_array_equal(
        observation, np.broadcast_to(np.repeat(values, 3)[:, None, None], observation.shape)
    )
    return list(values)


def test_the_last_pictures_are_stacked_and_the_first_is_repeated():
    env = PixelObservation(Counter(), frame_stack=4, size=12)
    for _ in range(2):
        assert counts(env.reset()[0]) == [1, 1, 1, 1]
        seen = [counts(env.step(env.action_space.sample())[0]) for _ in range(4)]
        assert seen == [[1, 1, 1, 2], [1, 1, 2, 3], [1, 2, 3, 4], [2, 3, 4, 5]]


def test_the_state_may_stay_beside_the_pictures():
    env = PixelObservation(Counter(), size=9, state=True)
    env.reset()
    observation = env.step(env.action_space.sample())[0]
    assert counts(observation["pixels"]) == [1, 1, 2]
    assert observation["state"] == [2.0]
    assert observation in env.observation_space


class Keyed(Counter):
    """Observes a dictionary."""

    def __init__(self, key="speed"):
        super().__init__()
        self.key = key
        self.observation_space = gymnasium.spaces.Dict({key: Counter.observation_space})

    def reset(self, *, seed=None, options=None):
        observation, info = super().reset(seed=seed)
        return {self.key: observation}, info

    def step(self, action):
        observation, *rest = super().step(action)
        return {self.key: observation}, *rest


def test_the_keys_of_a_dictionary_stay_beside_the_pictures():
    env = PixelObservation(Keyed(), size=48, state=True)
    env.reset()
    observation = env.step(env.action_space.sample())[0]
    assert observation.keys() == {"pixels", "speed"}
    assert observation in env.observation_space
    with pytest.raises(Sb3ScaleError, match="has an observation 'pixels' already; allowed: state"):
        PixelObservation(Keyed("pixels"), state=True)


def test_a_recipe_from_pixels_takes_a_dictionary():
    env = PixelObservation(Keyed(), size=48, state=True)
    small = {"buffer_size": 40, "batch_size": 4, "learning_starts": 4, "compile": False}
    with pytest.raises(Sb3ScaleError, match=r"for images among the keys of a Dict: \{name: dict"):
        sb3_scale.recipe("drq", env, **small)
    keys = {"name": "dict", "keys": {"pixels": {"name": "drq", "trunk": "own"}}}
    model = sb3_scale.recipe("drq", env, **small, **{"policy_kwargs.extractor": keys})
    model.learn(6)
    assert model._n_updates == 2


def test_a_task_of_dm_control_gives_what_its_own_pixels_are():
    wrapped = PixelObservation(
        gymnasium.make(
            "finger-spin",
            action_repeat=2,
            render_mode="rgb_array",
            width=32,
            height=32,
            render=PLAIN,
        ),
        size=32,
    )
    own = gymnasium.make("finger-spin-pixels", size=32, render=PLAIN)
    assert wrapped.observation_space == own.observation_space
    np.testing.assert_array_equal(wrapped.reset(seed=0)[0], own.reset(seed=0)[0])
    own.action_space.seed(0)
    for _ in range(4):
        action = own.action_space.sample()
        one, other = wrapped.step(action), own.step(action)
        np.testing.assert_array_equal(one[0], other[0])
        assert one[1:] == other[1:]


BESIDE = """
import gymnasium, sb3_scale
from sb3_scale_envs.pixels import PixelObservation
sb3_scale.register_envs()
def make():
    return gymnasium.make("finger-spin-pixels", size=32, render={"shadows": False})
own = make()
first = own.reset(seed=0)[0]
other = PixelObservation(gymnasium.make("HalfCheetah-v5", render_mode="rgb_array"), size=32)
assert other.reset(seed=0)[0].std() > 1
assert (own.reset(seed=0)[0] == first).all()
other.close()
assert (make().reset(seed=0)[0] == first).all()
print("same")
"""


def test_a_renderer_of_gymnasium_beside_it_changes_no_frame(run_python):
    # In a process of its own: Gymnasium ends EGL for all when its process ends.
    result = run_python(BESIDE)
    assert result.stdout == "same\n", result.stderr


def test_pictures_of_another_size_are_averaged_over_areas():
    halves = np.zeros((4, 8, 3), np.uint8)
    halves[:, ::2] = 100
    env = Counter()
    env.render = lambda: halves
    observation = PixelObservation(env, frame_stack=1, size=4).reset()[0]
    np.testing.assert_array_equal(observation, np.full((3, 4, 4), 50))


@pytest.mark.parametrize("state", [False, True])
def test_check_env_has_nothing_to_say_of_the_wrapper(state):
    env = PixelObservation(Counter(), size=40, state=state)
    env = pickle.loads(pickle.dumps(env))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # Of any wrapper Gymnasium says that it is not the unwrapped one.
        warnings.filterwarnings("ignore", message=".*is different from the unwrapped version")
        gymnasium_check_env(env, skip_render_check=True)
        sb3_check_env(env)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        (Counter(shape=(8, 8)), r"Counter draws uint8 of shape \(8, 8\); allowed: uint8 of shape"),
        (Counter(shape=(8, 8, 1)), r"draws uint8 of shape \(8, 8, 1\); allowed"),
        (Counter(dtype=np.float32), r"draws float32 of shape \(8, 12, 3\); allowed: uint8"),
    ],
)
def test_grey_and_float_pictures_are_refused_at_the_first_reset(env, message):
    with pytest.raises(Sb3ScaleError, match=message):
        PixelObservation(env).reset()


def test_an_environment_that_draws_none_is_refused():
    with pytest.raises(Sb3ScaleError, match="Counter has render_mode None; allowed: render_mode"):
        PixelObservation(Counter(render_mode=None))
    env = Counter(render_mode=None)
    env.metadata = {"render_modes": ["ansi"]}
    with pytest.raises(Sb3ScaleError, match="allowed: environments with 'rgb_array'"):
        PixelObservation(env)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (lambda: PixelObservation(Counter()), "PixelObservation"),
        (lambda: FrameStackObservation(Counter(), 2), "FrameStackObservation"),
        (lambda: gymnasium.make("cartpole-swingup-pixels"), "DMControlPixelsEnv"),
    ],
)
def test_frames_are_not_stacked_twice(make, name):
    env = make()
    env = TransformObservation(env, lambda seen: seen, env.observation_space)
    with pytest.raises(Sb3ScaleError, match=f"is stacked by {name} already; allowed: one stack"):
        PixelObservation(env)


@pytest.mark.parametrize("kwargs", [{"size": 0}, {"frame_stack": 0}, {"size": "84"}])
def test_sizes_are_whole_numbers(kwargs):
    (key,) = kwargs
    with pytest.raises(Sb3ScaleError, match=f"{key} is .*; allowed: a whole number, at least 1"):
        PixelObservation(Counter(), **kwargs)


def test_more_channels_than_pixels_along_a_side_are_refused():
    message = (
        "frame_stack is 12 and size is 32, so 36 channels of 32x32 pixels, and Stable-Baselines3 "
        "takes the shortest side .* allowed: size at least 36, or a smaller frame_stack"
    )
    with pytest.raises(Sb3ScaleError, match=message):
        PixelObservation(Counter(), frame_stack=12, size=32)
    # As many are taken for channels.
    space = PixelObservation(Counter(), frame_stack=12, size=36).observation_space
    assert is_image_space_channels_first(space)


@pytest.mark.parametrize("task", ["HalfCheetah-v5", "Reacher-v5", "HalfCheetah-v4"])
def test_cameras_of_gymnasiums_tasks_are_those_of_the_model(task):
    PixelObservation(gymnasium.make(task, render_mode="rgb_array"))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"camera_name": "trak"}, r"camera_name is 'trak'; allowed: track; did you mean 'track'\?"),
        ({"camera_id": 7}, "camera_id is 7; allowed: a whole number from -1 to 0"),
        ({"camera_id": "track"}, "camera_id is 'track'; allowed: a whole number from -1 to 0"),
    ],
)
def test_cameras_that_there_are_not_are_refused(kwargs, message):
    env = gymnasium.make("HalfCheetah-v5", render_mode="rgb_array", **kwargs)
    with pytest.raises(Sb3ScaleError, match=message):
        PixelObservation(env)


TWICE = """
import gymnasium
from sb3_scale_envs.pixels import PixelObservation
env = PixelObservation(gymnasium.make("HalfCheetah-v5", render_mode="rgb_array"), size=32)
for _ in range(2):
    try:
        env.reset()
    except ValueError as error:
        print(error)
"""


@pytest.mark.parametrize("variables", [{}, {"MUJOCO_GL": "glfw"}, {"MUJOCO_GL": "disabled"}])
def test_gymnasiums_tasks_say_that_there_is_no_opengl(run_python, variables):
    result = run_python(TWICE, **variables)
    assert result.returncode == 0, result.stderr
    one, other = result.stdout.splitlines()
    assert one == other
    assert one.startswith(
        "an observation of pixels needs OpenGL, which failed with "
        f"MUJOCO_GL={variables.get('MUJOCO_GL', '')} ("
    )
    assert one.endswith("set MUJOCO_GL=osmesa")


class Ending(Counter):
    """Says when it is over, after as many steps as it is asked for."""

    def __init__(self, length):
        super().__init__()
        self.length = length

    def step(self, action):
        observation, reward, _, _, info = super().step(action)
        return observation, reward, self.count > self.length, False, info


def test_an_action_may_be_repeated():
    env = PixelObservation(Ending(5), size=12, action_repeat=2)
    env.reset()
    seen = [env.step(env.action_space.sample()) for _ in range(3)]
    assert [counts(step[0]) for step in seen] == [[1, 1, 3], [1, 3, 5], [3, 5, 6]]
    # The episode ends within the third.
    assert [step[1:3] for step in seen] == [(2.0, False), (2.0, False), (1.0, True)]
    with pytest.raises(Sb3ScaleError, match="action_repeat is 0; allowed: a whole number"):
        PixelObservation(Counter(), action_repeat=0)


@pytest.mark.parametrize(("repeat", "decisions"), [(1, 200), (3, 67)])
def test_the_longest_episode_counts_decisions(repeat, decisions):
    env = gymnasium.make("Pendulum-v1", render_mode="rgb_array")
    wrapped = DummyVecEnv([lambda: PixelObservation(env, size=12, action_repeat=repeat)])
    assert max_episode_steps(wrapped) == decisions


@pytest.mark.parametrize("none", [None, -1, np.inf])
def test_no_longest_episode(none):
    env = Counter()
    env.max_episode_steps = none
    wrapped = DummyVecEnv([lambda: PixelObservation(env, size=12, action_repeat=2)])
    assert max_episode_steps(wrapped) is None
