"""Environments with odd spaces, or answers that Stable-Baselines3 cannot read: one sentence."""

import re
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces
from small_models import SMALL
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.noise import (
    NormalActionNoise,
    OrnsteinUhlenbeckActionNoise,
    VectorizedActionNoise,
)
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecMonitor, VecNormalize

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.entry_points import entry_points

BOX = spaces.Box(-1, 1, (3,), np.float32)


class Odd(gymnasium.Env[Any, Any]):
    """Answers as it is told to."""

    def __init__(
        self,
        observations: spaces.Space[Any] = BOX,
        actions: spaces.Space[Any] = BOX,
        answer: Callable[[Any], Any] | None = None,
    ) -> None:
        self.observation_space, self.action_space = observations, actions
        self.answer = answer
        self.steps = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        usual = (self.observation_space.sample(), 0.5, False, self.steps % 7 == 0, {})
        return usual if self.answer is None or self.steps < 5 else self.answer(usual)


def make(env: Any, parts: Any = None, **settings: Any) -> SAC:
    parts = {"actor": {"name": "squashed-gaussian", "network": SMALL},
             "critic": {"name": "ensemble", "network": SMALL}, **(parts or {})}  # fmt: skip
    settings = {"learning_starts": 10, "batch_size": 8, "buffer_size": 100, **settings}
    return SAC("ScalePolicy", env, policy_kwargs=parts, device="cpu", seed=0, **settings)


@pytest.mark.parametrize(
    ("observations", "actions", "sentence"),
    [
        (BOX, spaces.Box(0, 1, (2,), np.bool_), "a Box of at least one number, or MultiDiscrete"),
        (BOX, spaces.Box(-1, 1, (0,), np.float32), "a Box of at least one number"),
        (spaces.Discrete(5, start=2), BOX, "which begins with 2; allowed: numbers from 0"),
        (spaces.MultiDiscrete([3, 4], start=[0, -2]), BOX, "which begins with [ 0 -2]"),
        (spaces.Dict({"a": spaces.Discrete(5, start=-2), "b": BOX}), BOX, "the observation 'a' is"),
        (spaces.MultiDiscrete([[3, 4], [2, 2]]), BOX, "is MultiDiscrete of shape (2, 2)"),
        (spaces.Box(-1, 1, (), np.float32), BOX, "has no dimension; allowed: a Box of shape (1,)"),
    ],
    ids=range(7),
)
def test_spaces(observations: Any, actions: Any, sentence: str) -> None:
    with pytest.raises(Sb3ScaleError, match=re.escape(sentence)):
        make(Odd(observations, actions))


ANSWERS: dict[str, Callable[[Any], Any]] = {
    "an array as reward": lambda usual: (usual[0], np.ones(1), *usual[2:]),
    "no reward": lambda usual: (usual[0], None, *usual[2:]),
    "four values": lambda usual: usual[:4],
    "no information": lambda usual: (*usual[:4], None),
    "truncated is none": lambda usual: (*usual[:3], None, {}),
    "an episode that is a number": lambda usual: (*usual[:4], {"episode": 3}),
    "success in words": lambda usual: (*usual[:4], {"is_success": "yes"}),
    "information as an observation": lambda usual: ((usual[0], {}), *usual[1:]),
}


@pytest.mark.parametrize("name", ANSWERS)
@pytest.mark.parametrize("normalized", [False, True])
def test_answers(name: str, normalized: bool) -> None:
    env: Any = DummyVecEnv([lambda: Odd(answer=ANSWERS[name])])
    model = make(VecNormalize(env) if normalized else env)
    with pytest.raises(Sb3ScaleError, match=r"environment .*Odd.* gave .* at timestep 5"):
        model.learn(20)
    assert model.replay_buffer is not None
    assert model.replay_buffer.size() == 4


def test_answers_behind_a_monitor() -> None:
    with pytest.raises(Sb3ScaleError, match="that Stable-Baselines3 cannot read: TypeError"):
        make(Monitor(Odd(answer=ANSWERS["no reward"]))).learn(20)


def test_what_an_environment_itself_raises_stays() -> None:
    def fail(usual: Any) -> Any:
        raise TypeError("my own mistake")

    with pytest.raises(TypeError, match="my own mistake"):
        make(Odd(answer=fail)).learn(20)


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        (None, "env is None; allowed: an environment of Gymnasium, a VecEnv, or an id"),
        (Odd, "or an id; Odd() may make one"),
        (lambda: Odd(), "allowed: an environment of Gymnasium, a VecEnv, or an id"),
    ],
    ids=range(3),
)
def test_no_environment(env: Any, sentence: str) -> None:
    with pytest.raises(Sb3ScaleError, match=re.escape(sentence)):
        make(env)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"total_timesteps": "20"}, "total_timesteps is '20'; allowed: a whole number, at least 0"),
        ({"total_timesteps": -5}, "total_timesteps is -5"),
        ({"total_timesteps": float("nan")}, "total_timesteps is nan"),
        ({"log_interval": 0}, "log_interval is 0; allowed: a number of episodes, or None"),
        ({"callback": "csv-logger"}, "callback is 'csv-logger'; allowed: a callback such as"),
        ({"callback": EvalCallback}, "callback is <class"),
        ({"callback": [lambda *_: True]}, "callback is <function"),
        ({"tb_log_name": 3}, "tb_log_name is 3; allowed: a folder's name"),
        ({"reset_num_timesteps": "no"}, "reset_num_timesteps is 'no'; allowed: true, false"),
    ],
    ids=range(9),
)
def test_arguments_of_learn(arguments: dict[str, Any], sentence: str) -> None:
    model = make(Odd())
    with pytest.raises(Sb3ScaleError, match=re.escape(sentence)):
        model.learn(**{"total_timesteps": 20, **arguments})
    assert model.num_timesteps == 0
    model.learn(8.0, callback=lambda *_: True, log_interval=None)  # type: ignore[arg-type]


def test_a_deep_copy_learns_in_environments_of_its_own() -> None:
    model = make(VecNormalize(DummyVecEnv([Odd]))).learn(15)
    copy = deepcopy(model)
    copy.learn(15)
    assert copy.env is not None
    assert model.env is not None
    assert copy.get_vec_normalize_env() is copy.env
    steps = [each.env.unwrapped.envs[0].unwrapped.steps for each in (model, copy)]
    assert steps == [15, 30]
    counts = [each.env.obs_rms.count for each in (model, copy)]
    assert counts[0] < counts[1]


def test_a_deep_copy_has_the_statistics_of_returns_and_trains_alike() -> None:
    model = make(VecNormalize(DummyVecEnv([Odd])), gradient_steps=1).learn(5)
    copy = deepcopy(model)
    assert np.any(model.env.returns != 0)
    np.testing.assert_array_equal(copy.env.returns, model.env.returns)
    assert copy.env.returns is not model.env.returns


@pytest.mark.parametrize("wrapper", [VecMonitor, lambda env: VecFrameStack(env, 2)])
def test_deep_copies_behind_any_wrapper(wrapper: Any) -> None:
    model = make(wrapper(DummyVecEnv([Odd]))).learn(15)
    copy = deepcopy(model)
    copy.learn(15, reset_num_timesteps=False)
    assert (model.num_timesteps, copy.num_timesteps) == (15, 30)


def test_a_refused_environment_leaves_the_one_before() -> None:
    model = make(DummyVecEnv([Odd]), parts={"transforms": ["reward-scale"]}).learn(15)
    before = model.env
    with pytest.raises(Sb3ScaleError, match="scales rewards, and VecNormalize has norm_reward"):
        model.set_env(VecNormalize(DummyVecEnv([Odd]), norm_obs=False))
    assert model.env is before
    assert model.get_vec_normalize_env() is None
    model.learn(20, reset_num_timesteps=False)


@pytest.mark.parametrize(
    ("noise", "sentence"),
    [
        (NormalActionNoise(0.0, 0.1), "cannot be drawn: AttributeError: .*; allowed: noise of sha"),  # type: ignore[arg-type]
        (NormalActionNoise(np.zeros(3), -np.ones(3)), "cannot be drawn: ValueError: scale < 0"),
        (NormalActionNoise(np.zeros(3), np.full(3, np.nan)), r"gives array\(\[nan.*finite numbers"),
        (NormalActionNoise(np.zeros(2), np.ones(2)), r"; allowed: .*of shape \(3,\)"),
        (
            VectorizedActionNoise(NormalActionNoise(np.zeros(3), np.ones(3)), 2),
            r"; allowed: .*of shape \(1, 3\)",
        ),
    ],
    ids=range(5),
)
def test_noise_that_cannot_be_added(noise: Any, sentence: str) -> None:
    with pytest.raises(Sb3ScaleError, match=f"^action_noise is .*{sentence}"):
        make(Odd(), action_noise=noise)


def test_making_a_model_draws_nothing_of_its_noise() -> None:
    noise = OrnsteinUhlenbeckActionNoise(np.zeros(3), np.ones(3))
    drawn = []
    for given in (None, noise):
        make(Odd(), action_noise=given)
        drawn.append(np.random.rand())
    assert drawn[0] == drawn[1]
    assert not noise.noise_prev.any()


def test_new_statistics_after_a_training_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    model = make(VecNormalize(DummyVecEnv([Odd]))).learn(15)
    model.set_env(VecNormalize(DummyVecEnv([Odd])))
    assert "the statistics of these environments are new" in capsys.readouterr().err


def test_spaces_of_another_task_at_loading(tmp_path: Path) -> None:
    make(Odd()).save(tmp_path / "model")
    with pytest.raises(Sb3ScaleError, match=r"env does not fit checkpoint .*Observation spaces do"):
        SAC.load(tmp_path / "model", env=gymnasium.make("MountainCarContinuous-v0"))


def test_numbers_of_numpy_for_a_buffer() -> None:
    options = {"alpha": np.float64(0.7), "beta": np.float32(0.5)}
    model = make(Odd(), replay_buffer_class="prioritized", replay_buffer_kwargs=options)
    assert model.replay_buffer_kwargs["alpha"] == 0.7
    model.learn(15)


def test_metadata_of_a_stranger(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "unrelated-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_bytes(b"Name: unrelated\nAuthor: Jos\xe9\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert "sb3-scale" in {name for name, _, _ in entry_points()}
    assert "a distribution is left out, whose metadata cannot be read" in capsys.readouterr().err


def test_a_copy_logs_where_its_model_does(tmp_path: Path) -> None:
    model = make(Odd(), verbose=1, tensorboard_log=str(tmp_path)).learn(8)
    copy = deepcopy(model)
    assert copy.logger is model.logger
    copy.learn(8)


@pytest.mark.parametrize("env", [3, [Odd()], None])
def test_what_is_no_environment_is_named(env: Any) -> None:
    with pytest.raises(Sb3ScaleError, match=r"^env is .*; allowed: an environment of Gymnasium"):
        make(env)
    with pytest.raises(Sb3ScaleError, match=r"^env is "):
        make(Odd()).set_env(env)
