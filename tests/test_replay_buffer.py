"""The compact replay buffer next to Stable-Baselines3's own, bit for bit."""

import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from small_models import assert_same, make
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_scale import SAC
from sb3_scale.replay.compact import CompactReplayBuffer

ACTIONS = spaces.Box(-1, 1, (2,))
OBSERVATIONS = {
    "vector": spaces.Box(-np.inf, np.inf, (5,)),
    "float64": spaces.Box(-np.inf, np.inf, (3,), np.float64),
    "image": spaces.Box(0, 255, (1, 3, 5), np.uint8),
}
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
PLACES = [
    ("cpu", "auto"),
    pytest.param("cuda", "host", marks=GPU),
    pytest.param("cuda", "device", marks=GPU),
]


class Stream:
    """Random transitions of several environments, in which all sorts of ends happen."""

    def __init__(self, space: spaces.Box, n_envs: int, seed: int) -> None:
        self.space, self.n_envs = space, n_envs
        self.rng = np.random.default_rng(seed)
        self.observations = self.draw()

    def draw(self) -> np.ndarray:
        shape = (self.n_envs, *self.space.shape)
        if self.space.dtype == np.uint8:
            # Few values, so that observations of different episodes are sometimes the same.
            return self.rng.integers(0, 2, shape).astype(np.uint8)
        array = self.rng.normal(scale=3, size=shape).astype(self.space.dtype)
        array[self.rng.random(shape) < 0.05] = self.rng.choice([np.nan, -0.0, 0.0, np.inf])
        return array

    def __next__(self) -> tuple[Any, ...]:
        following, next_observations = self.draw(), self.draw()
        done = self.rng.random(self.n_envs) < 0.2
        # A cut: the stream begins anew within an episode, as when learn is called again.
        goes_on = ~done & (self.rng.random(self.n_envs) > 0.1)
        next_observations[goes_on] = following[goes_on]
        infos: list[dict[str, Any]] = [
            {"TimeLimit.truncated": bool(self.rng.random() < 0.5)} if end else {} for end in done
        ]
        actions = self.rng.uniform(-1, 1, (self.n_envs, 2)).astype(np.float32)
        rewards = self.rng.normal(scale=4, size=self.n_envs)
        step = (self.observations, next_observations, actions, rewards, done, infos)
        self.observations = following
        return step


def pair(
    space: spaces.Box, n_envs: int, size: int = 20, device: str = "cpu", storage: str = "auto"
) -> tuple[Any, ReplayBuffer]:
    ours = CompactReplayBuffer(size, space, ACTIONS, device, n_envs, storage=storage)
    return ours, ReplayBuffer(size, space, ACTIONS, "cpu", n_envs)


def bits(tensor: Any) -> np.ndarray:
    array = np.ascontiguousarray(tensor.cpu().numpy())
    return array.view(np.uint8).reshape(len(array), -1)


def assert_same_batches(ours: Any, theirs: Any, env: Any = None, size: int = 64) -> None:
    batches = []
    for buffer in (ours, theirs):
        np.random.seed(7)
        batches.append((buffer.sample(size, env=env), np.random.random()))
    (our, our_next), (their, their_next) = batches
    assert our_next == their_next, "other random numbers were drawn"
    assert our.discounts is None
    for name, found, wanted in zip(our._fields[:5], our, their, strict=False):
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), name
        assert found.is_contiguous(), name
        assert np.array_equal(bits(found), bits(wanted)), name


@pytest.mark.parametrize(("device", "storage"), PLACES)
@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("space", OBSERVATIONS)
@pytest.mark.parametrize("size", [1, 2, 7, 40])
def test_batches(device: str, storage: str, n_envs: int, space: str, size: int) -> None:
    ours, theirs = pair(OBSERVATIONS[space], n_envs, size * n_envs, device, storage)
    stream = Stream(OBSERVATIONS[space], n_envs, seed=size)
    for step in range(3 * size + 5):
        transition = next(stream)
        for buffer in (ours, theirs):
            buffer.add(*transition)
        assert (ours.pos, ours.full, ours.size()) == (theirs.pos, theirs.full, theirs.size())
        assert_same_batches(ours, theirs)
        if step == size + 1:
            for buffer in (ours, theirs):
                buffer.reset()
            assert ours.size() == 0
    for name in ("observations", "next_observations", "actions", "rewards", "dones", "timeouts"):
        found, wanted = getattr(ours, name), getattr(theirs, name)
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), name
        assert found.tobytes() == wanted.tobytes(), name


def test_observations_are_compared_by_their_bits() -> None:
    """A zero goes on as a negative zero: equal numbers, other bits."""
    ours, theirs = pair(OBSERVATIONS["vector"], 1)
    zero = np.zeros((1, 5), np.float32)
    for buffer in (ours, theirs):
        for observation, next_observation in ((zero - 1, zero), (-zero, zero + 1)):
            arguments = (np.zeros((1, 2)), np.ones(1), np.zeros(1), [{}])
            buffer.add(observation, next_observation, *arguments)
    assert_same_batches(ours, theirs)


@pytest.mark.parametrize("handle", [True, False])
def test_ends_by_a_time_limit(handle: bool) -> None:
    space = OBSERVATIONS["vector"]
    ours = CompactReplayBuffer(20, space, ACTIONS, "cpu", handle_timeout_termination=handle)
    observation, action = np.zeros((1, 5)), np.zeros((1, 2))
    arguments = (observation, observation, action, np.ones(1), np.ones(1))
    ours.add(*arguments, [{"TimeLimit.truncated": True}])
    assert ours.sample(1).dones.item() == (0.0 if handle else 1.0)
    ours.add(*arguments, [{}])
    theirs = ReplayBuffer(20, space, ACTIONS, "cpu", handle_timeout_termination=handle)
    theirs.add(*arguments, [{"TimeLimit.truncated": True}])
    theirs.add(*arguments, [{}])
    assert_same_batches(ours, theirs)


class Halved(VecNormalize):
    """Somebody's own normalisation."""

    def normalize_obs(self, obs: Any) -> Any:
        return super().normalize_obs(obs) / 2


def normalizing(space: spaces.Box, cls: type[VecNormalize] = VecNormalize, **settings: Any) -> Any:
    class Env(gym.Env[Any, Any]):
        observation_space, action_space = space, ACTIONS

    env = cls(DummyVecEnv([Env]), **settings)
    rng = np.random.default_rng(1)
    if env.norm_obs:
        env.obs_rms.update(rng.normal(1, 2, (50, *space.shape)))
    env.ret_rms.update(rng.normal(3, 0.7, 50))
    return env


@pytest.mark.parametrize(("device", "storage"), PLACES)
@pytest.mark.parametrize("space", OBSERVATIONS)
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"clip_obs": 1.3, "clip_reward": 0.7},
        {"norm_obs": False},
        {"norm_reward": False},
        {"cls": Halved},
    ],
    ids=str,
)
def test_normalized_batches(
    device: str, storage: str, space: str, settings: dict[str, Any]
) -> None:
    ours, theirs = pair(OBSERVATIONS[space], 2, 2000, device, storage)
    stream = Stream(OBSERVATIONS[space], 2, seed=0)
    for _ in range(1000):
        transition = next(stream)
        for buffer in (ours, theirs):
            buffer.add(*transition)
    env = normalizing(OBSERVATIONS[space], **settings)
    before = ours.observations.tobytes()
    assert_same_batches(ours, theirs, env, size=1000)
    assert ours.observations.tobytes() == before


def test_observations_are_stored_once() -> None:
    """223 observations and 38 actions in float32: what the class says, and what is allocated."""
    dog = spaces.Box(-np.inf, np.inf, (223,))
    ours = CompactReplayBuffer(100, dog, spaces.Box(-1, 1, (38,)), "cpu")
    theirs = ReplayBuffer(100, dog, spaces.Box(-1, 1, (38,)), "cpu")
    arrays = [value for value in vars(theirs).values() if isinstance(value, np.ndarray)]
    assert sum(array.nbytes for array in arrays) == 100 * 1948
    assert ours.transition_bytes == 4 * (223 + 38 + 3 + 1) == 1060
    assert ours.table.bytes.nbytes + ours.table.successors.slots.nbytes == 100 * 1060
    assert "1060 bytes" in CompactReplayBuffer.__doc__
    assert ours.summary() == ("Replay buffer: 100 transitions of 1060 bytes, 0.00 GB on the host")


def test_next_observations_beside_are_given_back() -> None:
    """Of episodes of 10 steps, 3 fit into 30 rows: their last observations and the newest."""
    space = OBSERVATIONS["vector"]
    buffer = CompactReplayBuffer(30, space, ACTIONS, "cpu")
    rng = np.random.default_rng(0)
    observation = rng.normal(size=(1, 5))
    for step in range(1000):
        done = step % 10 == 9
        next_observation = rng.normal(size=(1, 5))
        buffer.add(observation, next_observation, np.zeros(2), np.ones(1), np.array([done]), [{}])
        observation = rng.normal(size=(1, 5)) if done else next_observation
    used = len(buffer.table.successors.rows) - len(buffer.table.successors.free)
    assert used in (3, 4)
    assert len(buffer.table.successors.rows) <= 8


def test_copies_cannot_be_written_to() -> None:
    ours, _ = pair(OBSERVATIONS["vector"], 1)
    ours.rewards[:] = 3
    assert (ours.rewards == 3).all()
    with pytest.raises(ValueError, match="read-only"):
        ours.next_observations[:] = 0


@pytest.mark.parametrize("steps", [0, 5, 33])
def test_pickle(steps: int) -> None:
    ours, theirs = pair(OBSERVATIONS["vector"], 2)
    stream = Stream(OBSERVATIONS["vector"], 2, seed=3)
    for _ in range(steps):
        transition = next(stream)
        ours.add(*transition)
        theirs.add(*transition)
    size = len(pickle.dumps(ours))
    ours = pickle.loads(pickle.dumps(ours))
    if steps:
        assert_same_batches(ours, theirs)
    for _ in range(15):
        transition = next(stream)
        ours.add(*transition)
        theirs.add(*transition)
        assert_same_batches(ours, theirs)
    assert len(pickle.dumps(ours)) > size or steps == 33


@GPU
def test_loading_moves_the_transitions() -> None:
    ours, theirs = pair(OBSERVATIONS["vector"], 2, 20, "cuda", "auto")
    assert ours.table.place.type == "cuda"
    stream = Stream(OBSERVATIONS["vector"], 2, seed=3)
    for _ in range(15):
        transition = next(stream)
        ours.add(*transition)
        theirs.add(*transition)
    again = pickle.loads(pickle.dumps(ours))
    for device in ("cuda", "cpu", "cuda"):
        again.device = torch.device(device)
        assert again.table.place.type == device
        assert_same_batches(again, theirs)


@pytest.mark.parametrize("normalized", [False, True])
def test_training_is_the_same(normalized: bool) -> None:
    """Two environments, their time limits, a full buffer and two calls of learn."""
    models = []
    for buffer in (None, ReplayBuffer):
        env: Any = make_vec_env("Pendulum-v1", 2, env_kwargs={"max_episode_steps": 30}, seed=0)
        if normalized:
            env = VecNormalize(env)
        model = make(SAC, env, buffer_size=120, replay_buffer_class=buffer)
        models.append(model.learn(150).learn(50, reset_num_timesteps=False))
    ours, theirs = models
    assert (type(ours.replay_buffer), ours.replay_buffer.full) == (CompactReplayBuffer, True)
    assert_same(ours.get_parameters(), theirs.get_parameters(), "parameters")
    assert np.array_equal(
        ours.replay_buffer.next_observations, theirs.replay_buffer.next_observations
    )


def test_saved_buffers(tmp_path: Path) -> None:
    """Our own goes on exactly; one of Stable-Baselines3 takes the place of ours."""
    theirs = make(SAC, replay_buffer_class=ReplayBuffer).learn(60)
    ours = make(SAC).learn(60)
    for name, model in (("ours", ours), ("theirs", theirs)):
        model.save_replay_buffer(tmp_path / name)
    trained = []
    for name, expected in (("ours", CompactReplayBuffer), ("theirs", ReplayBuffer)):
        model = make(SAC, gym.make("Pendulum-v1"))
        model.load_replay_buffer(tmp_path / name)
        assert type(model.replay_buffer) is expected
        assert model.replay_buffer.pos == 60
        trained.append(model.learn(50))
    assert_same(trained[0].get_parameters(), trained[1].get_parameters(), "parameters")


def test_deepcopy_is_another() -> None:
    ours, _ = pair(OBSERVATIONS["vector"], 1)
    copy = deepcopy(ours)
    copy.add(*next(Stream(OBSERVATIONS["vector"], 1, seed=0)))
    assert (ours.pos, copy.pos) == (0, 1)
    assert not ours.observations.any()
