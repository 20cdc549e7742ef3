"""Numbers that are not finite are stopped where an environment gives them."""

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces
from small_models import make
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecFrameStack, VecNormalize

from sb3_scale import SAC, Sb3ScaleError

WRONG_STEP = 13


class Faulty(gym.Env[Any, Any]):
    """Gives one wrong number at one step, somewhere."""

    action_space = spaces.Box(-1, 1, (1,))

    def __init__(self, where: str = "", value: float = np.nan, dtype: Any = np.float32) -> None:
        self.where, self.value, self.taken = where, value, 0
        self.observation_space: Any = spaces.Box(-9, 9, (3,), dtype)
        if where == "dict":
            self.observation_space = spaces.Dict(
                camera=spaces.Box(0, 255, (2, 2), np.uint8), pose=self.observation_space
            )

    def observe(self, wrong: bool) -> Any:
        pose = np.array([0, 0, self.value if wrong else self.taken % 5], np.float64)
        if self.where == "dict":
            return {"camera": np.zeros((2, 2), np.uint8), "pose": pose}
        return pose

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return self.observe(self.where == "reset"), {}

    def step(self, action: Any) -> Any:
        self.taken += 1
        now = self.taken == WRONG_STEP
        over = now if self.where == "terminal" else self.taken % 5 == 0
        reward = self.value if now and self.where == "reward" else 1.0
        wrong = now and self.where in ("observation", "dict", "terminal")
        return self.observe(wrong), reward, over, False, {}


def assert_clean(model: Any) -> None:
    buffer = model.replay_buffer
    for stored in (buffer.observations, buffer.next_observations, buffer.rewards):
        for array in stored.values() if isinstance(stored, dict) else [stored]:
            assert np.isfinite(array).all()
    normalize = model.get_vec_normalize_env()
    if normalize is not None:
        assert np.isfinite([*normalize.obs_rms.mean, *normalize.obs_rms.var]).all()
        assert np.isfinite([normalize.ret_rms.mean, normalize.ret_rms.var]).all()


def assert_stops(model: Any, told: str) -> None:
    with pytest.raises(Sb3ScaleError) as refused:
        model.learn(100)
    assert str(refused.value).startswith(told)
    assert model.replay_buffer.size() == WRONG_STEP - 1
    assert_clean(model)


@pytest.mark.filterwarnings("ignore:overflow encountered")
@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize(
    ("where", "value", "told"),
    [
        ("reward", np.nan, "reward = nan"),
        ("reward", -np.inf, "reward = -inf"),
        ("observation", np.inf, "observation[2] = inf"),
        ("observation", 1e40, "observation[2] = inf"),
        ("terminal", np.inf, "observation[2] = inf"),
    ],
)
def test_a_wrong_number_is_told_before_it_is_stored(
    where: str, value: float, told: str, normalized: bool
) -> None:
    env: Any = DummyVecEnv([Faulty, lambda: Faulty(where, value)])
    env = VecNormalize(env) if normalized else env
    model = make(SAC, env, learning_starts=8)
    assert_stops(model, f"environment 1 (Faulty) gave {told} at timestep {2 * WRONG_STEP}, ")


@pytest.mark.parametrize("collector", ["local", "overlapped"])
def test_an_action_that_is_not_finite_is_told_before_it_is_played(collector: str) -> None:
    class Late(NormalActionNoise):
        calls = 0

        def __call__(self) -> np.ndarray:
            self.calls += 1
            return super().__call__() * (np.nan if self.calls == WRONG_STEP else 1)

    noise = Late(np.zeros(1), np.full(1, 0.1))
    model = make(SAC, Faulty(), learning_starts=0, action_noise=noise, collector=collector)
    told = f"action[0] = nan was chosen for environment 0 (Faulty) at timestep {WRONG_STEP}, "
    assert_stops(model, told)


def test_a_number_that_float32_does_not_hold_is_told() -> None:
    model = make(SAC, Faulty("observation", 1e40, np.float64), learning_starts=50)
    with pytest.raises(Sb3ScaleError, match=r"observation\[2\] = 1e\+40 at timestep 13"):
        model.learn(30)
    assert_clean(model)


def test_numbers_that_float32_holds_are_stored() -> None:
    model = make(SAC, Faulty("observation", 3e38, np.float64), learning_starts=50).learn(20)
    assert model.replay_buffer.observations.max() == 3e38


def test_the_key_of_an_observation_is_told() -> None:
    model = make(SAC, Faulty("dict"), learning_starts=50)
    with pytest.raises(Sb3ScaleError, match=r"gave observation\['pose'\]\[2\] = nan at"):
        model.learn(30)
    assert_clean(model)


@pytest.mark.parametrize("normalized", [False, True])
def test_a_first_observation_is_looked_at_too(normalized: bool) -> None:
    env: Any = DummyVecEnv([lambda: Faulty("reset")])
    model = make(SAC, VecNormalize(env) if normalized else env)
    with pytest.raises(
        Sb3ScaleError, match=r"environment 0 \(Faulty\) gave observation\[2\] = nan"
    ):
        model.learn(30)
    assert_clean(model)


class Misshapen(Faulty):
    """Its observations have a shape that NumPy spreads over the declared one."""

    def observe(self, wrong: bool) -> Any:
        return np.float32(1) if self.taken or self.where == "reset" else np.ones((1, 3))


@pytest.mark.parametrize("where", ["later", "reset"])
def test_a_shape_that_dummyvecenv_would_spread_is_told(where: str) -> None:
    model = make(SAC, Misshapen(where))
    with pytest.raises(Sb3ScaleError) as refused:
        model.learn(30)
    assert str(refused.value) == (
        "environment 0 (Misshapen) gave an observation of shape () at timestep 1; allowed: (3,)"
    )
    assert (model.replay_buffer.size(), model.num_timesteps) == (0, 0)
    assert "_save_obs" not in vars(model.env.unwrapped)


def test_environments_in_processes_under_wrappers_are_looked_at() -> None:
    env = SubprocVecEnv([Faulty, lambda: Faulty("reward")], start_method="fork")
    try:
        model = make(
            SAC, VecFrameStack(env, 2), collector="overlapped", learning_starts=8, train_freq=1
        )
        with pytest.raises(Sb3ScaleError, match=r"environment 1 \(Faulty\) gave reward = nan at"):
            model.learn(100)
        assert_clean(model)
    finally:
        env.close()


def test_callbacks_find_the_wrappers_that_the_user_made() -> None:
    """EvalCallback walks through those of training and evaluation side by side."""
    env, other = (VecNormalize(DummyVecEnv([Faulty]), training) for training in (True, False))
    model = make(SAC, env, learning_starts=50)
    model.learn(
        30, callback=EvalCallback(other, eval_freq=10, n_eval_episodes=1, verbose=0, warn=False)
    )
    assert other.obs_rms.count == env.obs_rms.count
    assert type(env.venv) is DummyVecEnv


def test_a_stock_policy_is_left_to_stable_baselines3() -> None:
    model = SAC("MlpPolicy", Faulty("reward"), learning_starts=50, buffer_size=50, device="cpu")
    model.learn(20)
    assert np.isnan(model.replay_buffer.rewards).any()


class Last(Faulty):
    """The last observations of its episodes are odd."""

    def __init__(self, last: Any, where: str = "") -> None:
        super().__init__(where)
        self.last = last

    def step(self, action: Any) -> Any:
        answer = super().step(action)
        return (self.last, *answer[1:]) if answer[2] else answer


BOTH = "observation without 'pose' at timestep 5; allowed: a dictionary of 'camera', 'pose'"


@pytest.mark.parametrize(
    ("last", "told"),
    [
        (np.float32(0.7), "observation of shape () at timestep 5; allowed: (3,)"),
        (np.ones(1), "observation of shape (1,) at timestep 5; allowed: (3,)"),
        (np.ones((3, 1)), "observation of shape (3, 1) at timestep 5; allowed: (3,)"),
        (None, "observation of None at timestep 5; allowed: (3,)"),
        ({"camera": np.zeros((2, 2), np.uint8)}, BOTH),
    ],
)
@pytest.mark.parametrize("processes", [False, True])
def test_the_last_observation_of_an_episode_is_looked_at(
    last: Any, told: str, processes: bool
) -> None:
    birth = partial(Last, last, "dict" if isinstance(last, dict) else "")
    env = SubprocVecEnv([birth], start_method="fork") if processes else DummyVecEnv([birth])
    model = make(SAC, env)
    with pytest.raises(Sb3ScaleError) as refused:
        model.learn(30)
    env.close()
    assert str(refused.value) == f"environment 0 (Last) gave an {told}"
    assert model.replay_buffer.size() == 4


class Whole(gym.Env[Any, Any]):
    """Gives a whole number at its third step that its space does not have."""

    action_space = spaces.Box(-1, 1, (1,))

    def __init__(self, space: Any, wrong: Any) -> None:
        self.observation_space, self.wrong, self.taken = space, wrong, 0
        self.right = space.sample()

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return self.right, {}

    def step(self, action: Any) -> Any:
        self.taken += 1
        return self.wrong if self.taken == 3 else self.right, 0.0, False, False, {}


PAIR = spaces.MultiDiscrete([3, 2])
STORED = "at timestep 3, and nothing of that step is stored; allowed: "


@pytest.mark.parametrize(
    ("space", "wrong", "told"),
    [
        (spaces.Discrete(3), 3, f"observation = 3 {STORED}0 to 2"),
        (spaces.Discrete(3), -1, "observation = -1 "),
        (PAIR, np.array([0, 2]), f"observation[1] = 2 {STORED}0 to 1"),
        (spaces.Dict(a=PAIR), {"a": np.array([4, 0])}, "observation['a'][0] = 4 "),
        (spaces.MultiBinary(2), np.array([0, 5], np.int8), f"observation[1] = 5 {STORED}0 to 1"),
    ],
)
def test_whole_numbers_that_a_space_does_not_have_are_told(
    space: Any, wrong: Any, told: str
) -> None:
    model = make(SAC, Whole(space, wrong))
    with pytest.raises(Sb3ScaleError) as refused:
        model.learn(30)
    assert str(refused.value).startswith(f"environment 0 (Whole) gave {told}")


BYTES = spaces.Box(0, 255, (3,), np.uint8)
IMAGES = spaces.Box(0, 255, (36, 36, 3), np.uint8)
BRIGHT = np.full((36, 36, 3), 0.7)


@pytest.mark.parametrize("processes", [False, True])
@pytest.mark.parametrize(
    ("space", "wrong", "told"),
    [
        (BYTES, np.array([1.0, np.nan, 3.0]), "observation[1] = nan "),
        (BYTES, np.array([1.0, 256.0, 3.0]), "observation[1] = 256.0 "),
        (BYTES, np.array([0, -1, 3]), "observation[1] = -1 "),
        (IMAGES, BRIGHT, "observation[0, 0, 0] = 0.7 "),
        (spaces.Dict(camera=BYTES), {"camera": [0.5, 1, 2]}, "observation['camera'][0] = 0.5 "),
        (spaces.Box(0, 9, (1,), np.int32), np.array([np.inf]), "observation[0] = inf "),
    ],
)
def test_numbers_that_a_space_of_whole_ones_would_change_are_told(
    space: Any, wrong: Any, told: str, processes: bool
) -> None:
    makers: Any = [partial(Whole, space, wrong)]
    env = SubprocVecEnv(makers) if processes else DummyVecEnv(makers)
    model = make(SAC, env)
    with pytest.raises(Sb3ScaleError) as refused:
        model.learn(30)
    env.close()
    assert told in str(refused.value)
    assert "allowed: what " in str(refused.value)


class Unreadable(Faulty):
    """Its reset is that of another interface."""

    def reset(self, **options: Any) -> Any:  # type: ignore[override]
        return 1, 2, 3


class Unseeded(Faulty):
    """Its reset takes nothing."""

    def reset(self) -> Any:  # type: ignore[override]
        return self.observe(False), {}


@pytest.mark.parametrize("kind", [Unreadable, Unseeded])
def test_a_first_reset_that_cannot_be_read_is_told(kind: Any) -> None:
    with pytest.raises(Sb3ScaleError, match=r"that Stable-Baselines3 cannot read: .*; allowed: re"):
        make(SAC, kind()).learn(30)
