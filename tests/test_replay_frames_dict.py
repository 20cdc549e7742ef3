"""Frames of a Dict, each stored once, next to buffers of whole stacks, bit for bit."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from small_models import make
from stable_baselines3.common.buffers import DictReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.replay.frames import FrameReplayBuffer
from sb3_scale_envs.pixels import PixelObservation

ACTIONS = spaces.Box(-1, 1, (2,))
SPACES: dict[str, dict[str, Any]] = {
    "camera": {"camera": (9, 5, 6)},
    "camera and state": {"camera": (9, 5, 6), "pose": np.float32, "gear": 4},
    "two cameras": {"left": (3, 4, 4), "time": np.float64, "wrist": (6, 5, 3), "flags": np.int8},
}
NAMES = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


def space_of(kinds: dict[str, Any]) -> spaces.Dict:
    found: dict[str, spaces.Space[Any]] = {}
    for key, kind in kinds.items():
        if isinstance(kind, tuple):
            found[key] = spaces.Box(0, 255, kind, np.uint8)
        elif isinstance(kind, int):
            found[key] = spaces.Discrete(kind)
        else:
            found[key] = spaces.Box(-9, 9, (3,), kind)
    return spaces.Dict(found)


class Stream:
    """Observations of one environment: stacks of three frames, and numbers, all random."""

    def __init__(self, space: spaces.Dict, seed: int) -> None:
        self.space = space
        self.rng = np.random.default_rng(seed)
        self.stacks: dict[str, np.ndarray] = {}
        self.now = self.observe(True)

    def observe(self, begins: bool) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, each in self.space.spaces.items():
            shape = each.shape or ()
            if len(shape) == 3:
                frame = self.rng.integers(0, 256, (shape[0] // 3, *shape[1:])).astype(np.uint8)
                old = [frame] * 2 if begins else np.split(self.stacks[key], 3)[1:]
                self.stacks[key] = np.concatenate([*old, frame])
                found[key] = self.stacks[key]
            elif isinstance(each, spaces.Discrete):
                found[key] = int(self.rng.integers(each.n))
            else:
                found[key] = self.rng.uniform(-9, 9, shape).astype(each.dtype)
        return found

    def __next__(self) -> tuple[Any, ...]:
        before, after = self.now, self.observe(False)
        done = bool(self.rng.random() < 0.15)
        timeout = done and bool(self.rng.random() < 0.5)
        self.now = self.observe(True) if done else after
        return before, after, self.rng.uniform(-1, 1, 2), self.rng.normal(), done, timeout


def by_key(observations: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    return {key: np.array([each[key] for each in observations]) for key in observations[0]}


def write(steps: list[tuple[Any, ...]], *buffers: Any) -> None:
    before, after, action, reward, done, timeout = zip(*steps, strict=True)
    keyed = [
        {key: np.array([each[key] for each in all_]) for key in all_[0]} for all_ in (before, after)
    ]
    infos: Any = [{"TimeLimit.truncated": each} for each in timeout]
    for buffer in buffers:
        buffer.add(*keyed, np.array(action, np.float32), np.array(reward), np.array(done), infos)


def assert_same(found: Any, wanted: Any) -> None:
    if isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for key, each in wanted.items():
            assert_same(found[key], each)
    elif wanted is not None:
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape)
        assert np.asarray(found).tobytes() == np.asarray(wanted).tobytes()


def assert_same_batches(ours: Any, theirs: Any, env: Any = None) -> None:
    batches = []
    for buffer in (ours, theirs):
        np.random.seed(7)
        batches.append(buffer.sample(24, env=env))
    for name, wanted in batches[1]._asdict().items():
        assert_same(getattr(batches[0], name), wanted)


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("kind", SPACES)
def test_batches_and_arrays_are_those_of_stable_baselines3(kind: str, n_envs: int) -> None:
    space = space_of(SPACES[kind])
    arguments: Any = 13 * n_envs, space, ACTIONS, "cpu", n_envs
    ours, theirs = FrameReplayBuffer(*arguments), DictReplayBuffer(*arguments)
    streams = [Stream(space, seed) for seed in range(n_envs)]
    for step in range(43):
        write([next(each) for each in streams], ours, theirs)
        assert_same_batches(ours, theirs)
        if step == 20:
            ours = pickle.loads(pickle.dumps(ours))
    for name in NAMES:
        assert_same(getattr(ours, name), getattr(theirs, name))


@pytest.mark.parametrize("kind", SPACES)
def test_returns_and_fragments_are_those_of_compact(kind: str) -> None:
    space = space_of(SPACES[kind])
    arguments: Any = 36, space, ACTIONS, "cpu", 3
    kinds: list[Any] = [FrameReplayBuffer, CompactReplayBuffer]
    both = [each(*arguments, n_steps=3) for each in kinds]
    streams = [Stream(space, seed) for seed in range(3)]
    rng = np.random.default_rng(0)
    for _ in range(20):
        number = int(rng.integers(3))
        fields = list(zip(*(next(streams[number]) for _ in range(9)), strict=True))
        keyed = [
            {key: np.array([each[key] for each in all_]) for key in space} for all_ in fields[:2]
        ]
        for buffer in both:
            buffer.add_stream(number, *keyed, *map(np.array, fields[2:]))
        assert_same_batches(*both)


class Robot(gym.Env[Any, Any]):
    """Camera and pose, with episodes of five steps."""

    observation_space: Any = space_of({"camera": (9, 12, 12), "pose": np.float32})
    action_space = ACTIONS

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.stream, self.time = Stream(self.observation_space, int(self.np_random.integers(99))), 0
        return self.stream.now, {}

    def step(self, action: Any) -> Any:
        self.time += 1
        return self.stream.observe(False), 1.0, False, self.time == 5, {}


def trained(name: str, steps: int = 40) -> Any:
    env = VecNormalize(DummyVecEnv([Robot, Robot]), norm_obs_keys=["pose"])
    return make(SAC, env, replay_buffer_class=name, buffer_size=60, seed=0).learn(steps)


def test_training_is_that_of_the_buffer_of_whole_stacks() -> None:
    one, two = trained("frames"), trained("compact")
    assert_same_batches(one.replay_buffer, two.replay_buffer, one.get_vec_normalize_env())
    for found, wanted in zip(one.policy.parameters(), two.policy.parameters(), strict=True):
        assert torch.equal(found, wanted)


def test_a_saved_buffer_is_loaded(tmp_path: Path) -> None:
    before, after = trained("frames", 70), trained("frames", 0)
    before.save_replay_buffer(tmp_path / "buffer")
    after.load_replay_buffer(tmp_path / "buffer", trust=False)
    assert_same_batches(after.replay_buffer, before.replay_buffer)


def test_a_number_in_a_file_that_is_not_finite_is_told(tmp_path: Path) -> None:
    before, after = trained("frames"), trained("frames", 0)
    before.replay_buffer.table.to_numpy("next_state").view(np.float32)[7, 1, 2] = np.nan
    before.save_replay_buffer(tmp_path / "buffer")
    with pytest.raises(
        Sb3ScaleError, match=r"nan is in row 7 of its next_observations.'pose'.; allowed"
    ):
        after.load_replay_buffer(tmp_path / "buffer", trust=False)


def test_missing_keys_and_wrong_shapes_are_told() -> None:
    space = space_of(SPACES["camera and state"])
    buffer = FrameReplayBuffer(10, space, ACTIONS, "cpu")
    before, after, *others = next(Stream(space, 0))
    for change, message in (
        ({"camera": np.zeros((9, 5, 5))}, r"obs\['camera'\] has shape \(1, 9, 5, 5\); allowed: "),
        ({"pose": np.zeros(4)}, r"obs\['pose'\] has shape \(1, 4\); allowed: \(1, 3\)"),
    ):
        with pytest.raises(Sb3ScaleError, match=message):
            write([({**before, **change}, after, *others)], buffer)
    del before["gear"], after["gear"]
    with pytest.raises(Sb3ScaleError, match="obs is a mapping with the keys 'camera', 'pose'; "):
        write([(before, after, *others)], buffer)
    assert buffer.size() == 0


def test_100_000_decisions_of_camera_and_state_take_less_than_2_3_gb() -> None:
    envs = make_vec_env("Pendulum-v1", env_kwargs={"render_mode": "rgb_array"})
    state = envs.envs[0].unwrapped  # type: ignore[attr-defined]
    space = PixelObservation(state, frame_stack=3, size=84, state=True).observation_space
    buffer = FrameReplayBuffer(100_000, space, envs.action_space, "cpu")
    assert buffer.transition_bytes * 100_000 < 2.3e9
