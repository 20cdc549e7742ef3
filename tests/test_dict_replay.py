"""Dict observations in the compact replay buffer next to Stable-Baselines3's own, bit for bit."""

import io
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from goal_env import Reach
from gymnasium import spaces
from small_models import assert_same, learned, make
from stable_baselines3.common.buffers import DictReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from test_replay_buffer import PLACES

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.replay import files
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale_densenet.prioritized import PrioritizedReplayBuffer

ACTIONS = spaces.Box(-1, 1, (2,))
VECTORS = spaces.Dict({"": spaces.Box(-9, 9, (3,)), "goal": spaces.Box(-9, 9, (2,))})
MIXED = spaces.Dict(
    {
        "vector": spaces.Box(-9, 9, (3,)),
        "camera 1": spaces.Box(0, 255, (1, 3, 5), np.uint8),
        "mode": spaces.Discrete(4),
        "flags": spaces.MultiBinary(3),
        "exact": spaces.Box(-9, 9, (2, 2), np.float64),
    }
)
IMAGES = spaces.Dict({"left": spaces.Box(0, 255, (1, 3, 3), np.uint8)})


class Both:
    """Writes the same random transitions into several buffers."""

    def __init__(self, space: Any, n_envs: int) -> None:
        self.space, self.n_envs, self.rng = space, n_envs, np.random.default_rng(0)
        space.seed(0)
        self.observations = self.draw()

    def draw(self) -> Any:
        found = [self.space.sample() for _ in range(self.n_envs)]
        return {key: np.stack([each[key] for each in found]) for key in self.space.spaces}

    def add(self, *buffers: Any) -> None:
        following, last = self.draw(), self.draw()
        done = self.rng.random(self.n_envs) < 0.2
        for key, array in last.items():
            array[~done] = following[key][~done]
        infos = [{"TimeLimit.truncated": bool(self.rng.random() < 0.5)} for _ in done]
        action = self.rng.uniform(-1, 1, (self.n_envs, 2)).astype(np.float32)
        reward = self.rng.normal(size=self.n_envs)
        for buffer in buffers:
            buffer.add(dict(self.observations), dict(last), action, reward, done, infos)
        self.observations = following


def assert_same_batch(ours: Any, theirs: Any, env: Any = None, size: int = 32) -> None:
    batches = []
    for buffer in (ours, theirs):
        np.random.seed(7)
        batches.append((buffer.sample(size, env=env), np.random.random()))
    (found, our_next), (wanted, their_next) = batches
    assert our_next == their_next, "other random numbers were drawn"
    for name in ("observations", "next_observations"):
        assert list(getattr(found, name)) == list(getattr(wanted, name))
        for key, array in getattr(wanted, name).items():
            ours_there = getattr(found, name)[key].cpu()
            assert_same(ours_there, array, f"{name}[{key}]")
            assert ours_there.dtype == array.dtype
    for name in ("actions", "dones", "rewards"):
        assert torch.equal(getattr(found, name).cpu(), getattr(wanted, name)), name


@pytest.mark.parametrize(("device", "storage"), PLACES)
@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("space", [VECTORS, MIXED, IMAGES], ids=["vectors", "mixed", "images"])
def test_batches_and_arrays(space: Any, n_envs: int, device: str, storage: Any) -> None:
    ours = CompactReplayBuffer(10 * n_envs, space, ACTIONS, device, n_envs, storage=storage)
    theirs = DictReplayBuffer(10 * n_envs, space, ACTIONS, "cpu", n_envs)
    both = Both(space, n_envs)
    for _ in range(25):
        both.add(ours, theirs)
        assert_same_batch(ours, theirs)
    for name in ("observations", "next_observations"):
        found, wanted = getattr(ours, name), getattr(theirs, name)
        assert list(found) == list(wanted)
        for key in wanted:
            assert found[key].dtype == wanted[key].dtype
            assert np.array_equal(found[key], wanted[key])
    for name in ("actions", "rewards", "dones", "timeouts"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name))


class Doubled(VecNormalize):
    """Somebody's own normalisation."""

    def normalize_obs(self, obs: Any) -> Any:
        return {key: each * 2 for key, each in super().normalize_obs(obs).items()}


@pytest.mark.parametrize("keys", [None, ["exact"], ["vector", "exact"]])
@pytest.mark.parametrize("kind", [VecNormalize, Doubled])
def test_normalized_batches(kind: Any, keys: Any) -> None:
    space = spaces.Dict({key: MIXED[key] for key in ("vector", "exact")})

    class Env(gym.Env[Any, Any]):
        observation_space, action_space = space, ACTIONS

    env = kind(DummyVecEnv([Env]), norm_obs_keys=keys, clip_obs=1.5)
    for statistics in env.obs_rms.values():
        statistics.update(np.random.default_rng(1).normal(1, 2, (9, *statistics.mean.shape)))
    ours = CompactReplayBuffer(20, space, ACTIONS, "cpu")
    theirs = DictReplayBuffer(20, space, ACTIONS, "cpu")
    both = Both(space, 1)
    for _ in range(30):
        both.add(ours, theirs)
    assert_same_batch(ours, theirs, env)
    assert_same_batch(ours, theirs, env)


@pytest.mark.parametrize("normalized", [False, True])
def test_an_agent_trains_to_the_same_weights(normalized: bool) -> None:
    found = []
    for kind in (None, DictReplayBuffer):
        env: Any = make_vec_env(Reach, 2, seed=0)
        model = make(SAC, VecNormalize(env) if normalized else env, replay_buffer_class=kind)
        assert isinstance(model.replay_buffer, kind or CompactReplayBuffer)
        found.append(learned(model.learn(40)))
    assert_same(*found, "")


@pytest.mark.parametrize("pickled", [False, True])
@pytest.mark.parametrize("kind", [CompactReplayBuffer, PrioritizedReplayBuffer])
def test_what_was_saved_comes_back(kind: Any, pickled: bool) -> None:
    buffer = kind(20, MIXED, ACTIONS, "cpu", 2, n_steps=3)
    both = Both(MIXED, 2)
    for _ in range(13):
        both.add(buffer)
    if pickled:
        again = pickle.loads(pickle.dumps(buffer))
    else:
        file = io.BytesIO()
        files.write(buffer, file)
        assert files.is_array_file(file.getvalue())
        file.seek(0)
        again = files.read(file, "b.pkl", MIXED, ACTIONS, 2)
    for _ in range(3):
        assert_same_batch(again, buffer)
        both.add(again, buffer)


def test_returns_over_several_steps() -> None:
    """Stable-Baselines3 has none for Dict; those of one key are those of a Box."""
    box = MIXED["vector"]
    ours = CompactReplayBuffer(30, spaces.Dict({"a": box}), ACTIONS, "cpu", n_steps=3)
    theirs = CompactReplayBuffer(30, box, ACTIONS, "cpu", n_steps=3)
    both = Both(ours.observation_space, 1)
    add = theirs.add
    theirs.add = lambda obs, following, *rest: add(obs["a"], following["a"], *rest)
    for _ in range(40):
        both.add(ours, theirs)
    batches = []
    for buffer in (ours, theirs):
        np.random.seed(3)
        batches.append(buffer.sample(20))
    found, wanted = batches
    assert torch.equal(found.next_observations["a"], wanted.next_observations)
    assert torch.equal(found.rewards, wanted.rewards)
    assert torch.equal(found.discounts, wanted.discounts)
    model = make(SAC, Reach(), n_steps=3, replay_buffer_class="compact").learn(30)
    assert (type(model.replay_buffer), model.replay_buffer.n_steps) == (CompactReplayBuffer, 3)


def test_fragments_of_streams() -> None:
    buffer = CompactReplayBuffer(20, MIXED, ACTIONS, "cpu", 2)
    both = Both(MIXED, 5)
    following = {key: np.roll(each, -1, axis=0) for key, each in both.observations.items()}
    rest = np.zeros((5, 2)), np.arange(5.0), np.zeros(5), np.zeros(5)
    buffer.add_stream(1, both.observations, following, *rest)
    for name, wanted in (("observations", both.observations), ("next_observations", following)):
        for key, array in wanted.items():
            found = getattr(buffer, name)[key][:5, 1]
            assert np.array_equal(found, array.reshape(found.shape))
    both.observations["exact"][3, 0, 1] = np.nan
    message = r"obs\['exact'\] of a fragment at \[3, 0, 1\] is nan; allowed: finite numbers"
    with pytest.raises(Sb3ScaleError, match=message):
        buffer.add_stream(1, both.observations, following, *rest)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mode": None}, r"obs is a mapping with the keys 'camera 1', 'exact'.*; allowed: a mapp"),
        ({"flags": np.zeros((1, 2))}, r"obs\['flags'\] has shape \(1, 2\); allowed: \(1, 3\)"),
        ({"vector": np.zeros((2, 3))}, r"obs\['vector'\] has shape \(2, 3\); allowed: \(1, 3\)"),
    ],
)
def test_other_keys_and_shapes_are_one_sentence(change: Any, message: str) -> None:
    buffer = CompactReplayBuffer(20, MIXED, ACTIONS, "cpu")
    observations = {
        key: each for key, each in {**Both(MIXED, 1).draw(), **change}.items() if each is not None
    }
    with pytest.raises(Sb3ScaleError, match=message):
        buffer.add(observations, observations, np.zeros((1, 2)), np.ones(1), np.zeros(1), [{}])
    assert buffer.size() == 0


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Dict({"x": spaces.Dict({"y": ACTIONS})}), "observation 'x' is a Dict; allowed in"),
        (spaces.Dict({"x": spaces.Tuple([ACTIONS])}), "observation 'x' is a Tuple; allowed in a"),
        (spaces.Dict({}), "observations are an empty Dict; allowed: at least one number"),
        (spaces.Discrete(3), "cannot store Discrete observations; allowed: Box, Dict"),
    ],
)
def test_spaces_that_cannot_be_stored_are_one_sentence(space: Any, message: str) -> None:
    with pytest.raises(Sb3ScaleError, match=message):
        CompactReplayBuffer(20, space, ACTIONS, "cpu")


def test_memory_is_half_of_that_of_stable_baselines3() -> None:
    buffer = CompactReplayBuffer(20, IMAGES, ACTIONS, "cpu")
    # 9 bytes of an image, padded for the numbers that follow.
    assert buffer.row.itemsize == 9 + 3 + 2 * 4 + 3 * 4
