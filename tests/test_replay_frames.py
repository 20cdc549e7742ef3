"""Frames stored once next to Stable-Baselines3's buffers of whole stacks, bit for bit."""

import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import psutil
import pytest
import torch
from gymnasium import spaces
from small_models import make
from stable_baselines3.common.buffers import NStepReplayBuffer, ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.replay.frames import FrameReplayBuffer
from sb3_scale.testing import check_component
from sb3_scale_densenet.prioritized import PrioritizedReplayBuffer
from sb3_scale_densenet.prioritized_frames import PrioritizedFrameReplayBuffer

ACTIONS = spaces.Box(-1, 1, (2,))
SPACE = spaces.Box(0, 255, (9, 10, 11), np.uint8)
GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
PLACES = [
    ("cpu", "auto"),
    pytest.param("cuda", "host", marks=GPU),
    pytest.param("cuda", "device", marks=GPU),
]
NAMES = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")


class Stacks:
    """
    One stream of stacks of three frames, in which all sorts of ends happen.

    :param kind: ``usual``; ``newest-first``; ``skips`` two frames at once; ``still``, where frames
        come again and again; ``noise``, where no two observations share a frame
    :param ends: probability that an episode ends
    """

    def __init__(self, kind: str, seed: int, ends: float = 0.15) -> None:
        self.kind, self.ends = kind, ends
        self.rng = np.random.default_rng(seed)
        self.stack = self.first()

    def frame(self) -> np.ndarray:
        if self.kind == "still":
            return np.full((3, 10, 11), self.rng.integers(0, 2), np.uint8)
        return self.rng.integers(0, 256, (3, 10, 11)).astype(np.uint8)

    def first(self) -> np.ndarray:
        if self.rng.random() < 0.5:
            return np.stack([self.frame()] * 3)
        return np.stack([self.frame() for _ in range(3)])

    def after(self) -> np.ndarray:
        new = self.frame()
        if self.kind == "newest-first":
            return np.stack([new, *self.stack[:2]])
        if self.kind == "skips":
            return np.stack([self.stack[2], self.frame(), new])
        if self.kind == "noise":
            return self.first()
        return np.stack([*self.stack[1:], new])

    def __next__(self) -> dict[str, Any]:
        obs, following = self.stack, self.after()
        done = bool(self.rng.random() < self.ends)
        self.stack = self.first() if done or self.rng.random() < 0.05 else following
        return {
            "obs": obs.reshape(9, 10, 11),
            "next_obs": following.reshape(9, 10, 11),
            "action": self.rng.uniform(-1, 1, 2).astype(np.float32),
            "reward": self.rng.normal(),
            "done": done,
            "timeout": done and bool(self.rng.random() < 0.5),
        }


def write(steps: list[dict[str, Any]], *buffers: Any) -> None:
    """One transition of each environment."""
    obs, following, action, reward, done = (
        np.array([each[name] for each in steps])
        for name in ("obs", "next_obs", "action", "reward", "done")
    )
    infos: list[dict[str, Any]] = [{"TimeLimit.truncated": each["timeout"]} for each in steps]
    for buffer in buffers:
        buffer.add(obs, following, action, reward, done, infos)


def assert_same_batches(ours: Any, theirs: Any, env: Any = None) -> None:
    batches = []
    for buffer in (ours, theirs):
        np.random.seed(7)
        batches.append((buffer.sample(48, env=env), np.random.random()))
    (our, our_next), (their, their_next) = batches
    assert our_next == their_next, "other random numbers were drawn"
    assert_same_samples(our, their)


def assert_same_samples(our: Any, their: Any) -> None:
    for name, wanted in their._asdict().items():
        found = getattr(our, name)
        if wanted is None:
            assert found is None
            continue
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), name
        assert found.cpu().numpy().tobytes() == wanted.cpu().numpy().tobytes(), name


def check_counts(buffer: FrameReplayBuffer) -> None:
    """Each frame is held as often as rows name it, and the others are free."""
    table = buffer.table
    held = np.bincount(np.append(table.stacks, 0), minlength=len(table.store.frames))
    assert np.array_equal(held, table.store.holders)
    assert sorted(table.store.free) == np.flatnonzero(held[: table.store.used] == 0).tolist()


@pytest.mark.parametrize(("device", "storage"), PLACES)
@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("kind", ["usual", "newest-first", "skips", "still", "noise"])
@pytest.mark.parametrize("size", [1, 2, 13])
def test_batches_and_arrays(device: str, storage: Any, n_envs: int, kind: str, size: int) -> None:
    ours = FrameReplayBuffer(size * n_envs, SPACE, ACTIONS, device, n_envs, storage=storage)
    theirs = ReplayBuffer(size * n_envs, SPACE, ACTIONS, "cpu", n_envs)
    streams = [Stacks(kind, seed) for seed in range(n_envs)]
    for step in range(3 * size + 4):
        write([next(each) for each in streams], ours, theirs)
        assert_same_batches(ours, theirs)
        check_counts(ours)
        if step == size + 1:
            for buffer in (ours, theirs):
                buffer.reset()
    for name in NAMES:
        found, wanted = getattr(ours, name), getattr(theirs, name)
        assert (found.dtype, found.shape) == (wanted.dtype, wanted.shape), name
        assert np.array_equal(found, wanted), name


class Cutless(Stacks):
    """Streams that Stable-Baselines3 does not mix up: they are never cut within an episode."""

    def __next__(self) -> dict[str, Any]:
        step = super().__next__()
        if not step["done"]:
            self.stack = step["next_obs"].reshape(3, 3, 10, 11)
        return step


@pytest.mark.parametrize("kind", [CompactReplayBuffer, FrameReplayBuffer])
@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("n_steps", [2, 3, 12])
@pytest.mark.parametrize("normalized", [False, True])
def test_returns_are_those_of_stable_baselines3(
    kind: Any, n_envs: int, n_steps: int, normalized: bool
) -> None:
    arguments = 20 * n_envs, SPACE, ACTIONS, "cpu", n_envs
    ours = kind(*arguments, n_steps=n_steps, gamma=0.93)
    theirs = NStepReplayBuffer(*arguments, n_steps=n_steps, gamma=0.93)
    env = None
    if normalized:
        env = VecNormalize(make_vec_env("Pendulum-v1"), norm_obs=False)
        env.ret_rms.update(np.arange(9.0))
    streams = [Cutless("usual", seed) for seed in range(n_envs)]
    for _ in range(55):
        write([next(each) for each in streams], ours, theirs)
        assert_same_batches(ours, theirs, env)


def test_streams_of_different_length_are_those_of_compact() -> None:
    both = [kind(36, SPACE, ACTIONS, "cpu", 3, n_steps=3) for kind in KINDS[:2]]
    streams = [Stacks("usual", seed) for seed in range(3)]
    rng = np.random.default_rng(0)
    for _ in range(30):
        stream = int(rng.integers(3))
        steps = [next(streams[stream]) for _ in range(int(rng.integers(1, 20)))]
        names = ("obs", "next_obs", "action", "reward", "done", "timeout")
        fragment = [np.array([each[name] for each in steps]) for name in names]
        for buffer in both:
            buffer.add_stream(stream, *fragment)
        assert_same_batches(*both)
        check_counts(both[0])


KINDS = [
    FrameReplayBuffer,
    CompactReplayBuffer,
    PrioritizedFrameReplayBuffer,
    PrioritizedReplayBuffer,
]


def test_prioritized_frames_are_drawn_as_prioritized() -> None:
    ours, theirs = (kind(30, SPACE, ACTIONS, "cpu", 2, n_steps=3) for kind in KINDS[2:])
    streams = [Stacks("usual", seed) for seed in range(2)]
    for step in range(40):
        write([next(each) for each in streams], ours, theirs)
        for buffer in (ours, theirs):
            np.random.seed(step)
            batch = buffer.sample(8)
            buffer.update_priorities(batch.indices, batch.rewards[:, 0].abs())
        np.random.seed(step)
        our = ours.sample(8)
        np.random.seed(step)
        their = theirs.sample(8)
        for name in ("observations", "next_observations", "rewards", "importance_weights"):
            assert torch.equal(getattr(our, name), getattr(their, name)), name


def test_an_episode_takes_one_frame_per_decision_and_one_more() -> None:
    buffer = FrameReplayBuffer(100, SPACE, ACTIONS, "cpu")
    frames = np.arange(41, dtype=np.uint8)[:, None, None, None] + np.ones((3, 10, 11), np.uint8)
    stacks = [np.concatenate([frames[max(at - back, 0)] for back in (2, 1, 0)]) for at in range(41)]
    for now, after in pairwise(stacks):
        step = {"action": np.zeros(2), "reward": 0.0, "done": False, "timeout": False}
        write([{"obs": now, "next_obs": after, **step}], buffer)
    assert buffer.table.store.used == 1 + 41


def test_100_000_decisions_take_less_than_2_3_gb() -> None:
    space = spaces.Box(0, 255, (9, 84, 84), np.uint8)
    buffer = FrameReplayBuffer(100_000, space, spaces.Box(-1, 1, (6,)), "cpu")
    table = buffer.table
    arrays = (table.bytes.numpy(), table.stacks, table.follows, table.store.holders)
    total = sum(each.nbytes for each in arrays) + table.store.frames.nbytes
    assert total <= 2.3e9
    assert buffer.transition_bytes * 100_000 == pytest.approx(total, rel=1e-3)
    assert buffer.summary().endswith(" 2.16 GB on the host")


def test_more_than_the_memory_is_refused_before_it_is_taken() -> None:
    with pytest.raises(Sb3ScaleError, match=r"buffer_size is 10000000000: .* allowed: at most"):
        FrameReplayBuffer(10**10, SPACE, ACTIONS, "cpu")


def test_frames_of_short_episodes_that_do_not_fit_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    buffer = FrameReplayBuffer(50, SPACE, ACTIONS, "cpu")
    stream = Stacks("noise", 0)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Free", (), {"available": 100}))
    steps = [next(stream) for _ in range(50)]

    def fill() -> None:
        for step in steps:
            write([step], buffer)

    with pytest.raises(
        Sb3ScaleError, match=r"need 0\.0 GB more, .* allowed: a smaller buffer_size"
    ):
        fill()


@pytest.mark.parametrize(
    ("space", "params", "message"),
    [
        (spaces.Box(0, 1, (9, 4, 4), np.float32), {}, "Box of float32.*allowed: Box of uint8"),
        (spaces.Box(0, 255, (9,), np.uint8), {}, r"Box of uint8 \[9\].*allowed: Box of uint8"),
        (
            spaces.Dict({"pose": ACTIONS}),
            {},
            "observations are Dict of 'pose', none of them an image",
        ),
        (spaces.Dict({"eye": SPACE}), {"frame_stack": 4}, r"'eye' \[9, 10, 11\] have 9 channels"),
        (spaces.Dict({"eye": SPACE, "word": spaces.Text(3)}), {}, "'word' is a Text; allowed"),
        (SPACE, {"frame_stack": 4}, "frame_stack is 4.* 9 channels; allowed: a divisor of 9"),
        (SPACE, {"frame_stack": 0}, "frame_stack is 0; allowed: a whole number, at least 1"),
        (SPACE, {"frame_stack": 1.5}, "frame_stack is 1.5; allowed: a whole number"),
        (SPACE, {"frame_stack": "3"}, "frame_stack is '3'; allowed: .*; write 3, not text"),
        (SPACE, {"frame_stack": True}, "frame_stack is True; allowed: a whole number"),
        (SPACE, {"n_steps": 0}, "n_steps is 0; allowed: a whole number, at least 1"),
        (SPACE, {"n_steps": 1.5}, "n_steps is 1.5; allowed: a whole number, at least 1"),
        (SPACE, {"gamma": 1.5}, "gamma is 1.5; allowed: a number, at least 0, at most 1"),
        (SPACE, {"gamma": "0.9"}, "gamma is '0.9'; allowed: .*; write 0.9, not text"),
    ],
)
def test_bad_settings(space: Any, params: dict[str, Any], message: str) -> None:
    for kind in (FrameReplayBuffer, PrioritizedFrameReplayBuffer):
        with pytest.raises(Sb3ScaleError, match=message):
            kind(10, space, ACTIONS, "cpu", **params)


def decisions(frames: int, newest_first: bool, number: int, episode: int) -> list[dict[str, Any]]:
    """Stacks of colour pictures; an episode begins with one of them, repeated."""
    rng = np.random.default_rng(0)
    made = []
    for at in range(number):
        if at % episode == 0:
            seen = [rng.integers(0, 256, (3, 4, 4)).astype(np.uint8)] * frames
        after = [*seen[1:], rng.integers(0, 256, (3, 4, 4)).astype(np.uint8)]
        pair = [np.concatenate(each[:: -1 if newest_first else 1]) for each in (seen, after)]
        step = {"obs": pair[0], "next_obs": pair[1], "action": np.zeros(2), "reward": 0.0}
        made.append({**step, "done": at % episode == episode - 1, "timeout": False})
        seen = after
    return made


def filled(steps: list[dict[str, Any]], frame_stack: int, kind: Any = FrameReplayBuffer) -> Any:
    space = spaces.Box(0, 255, steps[0]["obs"].shape, np.uint8)
    buffer = kind(400, space, ACTIONS, "cpu", frame_stack=frame_stack)
    for step in steps:
        write([step], buffer)
    return buffer


@pytest.mark.parametrize("kind", [FrameReplayBuffer, PrioritizedFrameReplayBuffer])
@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("frames", [1, 2, 4, 6])
def test_stacks_of_another_length_are_refused_soon(
    kind: Any, newest_first: bool, frames: int
) -> None:
    steps = decisions(frames, newest_first, 100, 1000)
    message = rf"kwargs: frame_stack is 3, and in 51 of the first 5\d .* here probably {frames}$"
    with pytest.raises(Sb3ScaleError, match=message):
        filled(steps, 3, kind)
    if frames > 1:
        held = filled(decisions(frames, newest_first, 300, 100), frames, kind)
        # Those of three episodes, and the black one.
        assert held.table.store.used == 1 + 3 * 101


def test_each_environment_is_looked_at() -> None:
    # An episode of the others ends before the stacks of its beginning are through.
    wrong, short = decisions(6, False, 100, 1000), decisions(6, False, 100, 4)
    space = spaces.Box(0, 255, (18, 4, 4), np.uint8)
    buffer = FrameReplayBuffer(4000, space, ACTIONS, "cpu", 9)

    def fill() -> None:
        for one, other in zip(wrong, short, strict=True):
            write([*[other] * 8, one], buffer)

    with pytest.raises(Sb3ScaleError, match=r"in 51 of the first 5\d transitions"):
        fill()


def test_observations_that_share_nothing_have_stacks_of_one() -> None:
    stream = Stacks("noise", 0)
    buffer = FrameReplayBuffer(200, SPACE, ACTIONS, "cpu", frame_stack=1)
    for _ in range(200):
        write([next(stream)], buffer)
    assert buffer.full


@pytest.mark.parametrize("kind", [FrameReplayBuffer, PrioritizedFrameReplayBuffer])
def test_a_buffer_that_went_on_is_not_looked_at_again(kind: Any) -> None:
    buffer = pickle.loads(pickle.dumps(filled(decisions(3, False, 120, 40), 3, kind)))
    for step in decisions(1, False, 100, 1000):
        step["obs"], step["next_obs"] = (
            np.tile(step[name], (3, 1, 1)) for name in ("obs", "next_obs")
        )
        write([step], buffer)
    assert buffer.pos == 220


@pytest.mark.parametrize("kind", [FrameReplayBuffer, PrioritizedFrameReplayBuffer])
def test_a_pickled_buffer_goes_on_as_it_was(kind: Any) -> None:
    ours = kind(26, SPACE, ACTIONS, "cpu", 2, n_steps=3)
    streams = [Stacks("usual", seed) for seed in range(2)]
    for step in range(30):
        if step in (3, 20):
            again = pickle.loads(pickle.dumps(ours))
            assert_same_samples_of_both(ours, again)
            ours = again
            check_counts(ours)
        write([next(each) for each in streams], ours)


def assert_same_samples_of_both(one: Any, other: Any) -> None:
    found = []
    for buffer in (one, other):
        np.random.seed(0)
        found.append(buffer.sample(16))
    for name in ("observations", "next_observations", "rewards", "discounts"):
        assert torch.equal(*(getattr(each, name) for each in found)), name


class Pixels(gym.Env[Any, Any]):
    """Random frames in stacks, with episodes of five steps."""

    observation_space = SPACE
    action_space = ACTIONS

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.stream, self.time = Stacks("usual", int(self.np_random.integers(1000)), 0.0), 0
        return self.stream.stack.reshape(9, 10, 11), {}

    def step(self, action: Any) -> Any:
        step = next(self.stream)
        self.stream.stack = step["next_obs"].reshape(3, 3, 10, 11)
        self.time += 1
        return step["next_obs"], step["reward"], False, self.time == 5, {}


def model(name: str, **settings: Any) -> Any:
    env = DummyVecEnv([Pixels, Pixels])
    return make(SAC, env, replay_buffer_class=name, buffer_size=60, seed=0, **settings)


@pytest.mark.parametrize("n_steps", [1, 3])
@pytest.mark.parametrize("name", ["frames", "prioritized-frames"])
def test_training_is_that_of_the_buffer_of_whole_stacks(name: str, n_steps: int) -> None:
    other = {"frames": "compact", "prioritized-frames": "prioritized"}[name]
    one, two = (model(each, n_steps=n_steps).learn(40) for each in (name, other))
    assert one.replay_buffer.n_steps == n_steps
    for found, wanted in zip(one.policy.parameters(), two.policy.parameters(), strict=True):
        assert torch.equal(found, wanted)


@pytest.mark.parametrize("name", ["frames", "prioritized-frames"])
def test_a_saved_buffer_is_loaded_and_goes_on(name: str, tmp_path: Path) -> None:
    before = model(name, n_steps=3).learn(70)
    before.save_replay_buffer(tmp_path / "buffer")
    after = model(name, n_steps=3)
    after.load_replay_buffer(tmp_path / "buffer", trust=False)
    ours, again = before.replay_buffer, after.replay_buffer
    assert (again.frame_stack, again.n_steps, again.pos) == (3, 3, ours.pos)
    assert_same_samples_of_both(ours, again)
    streams = [Stacks("usual", seed) for seed in range(2)]
    for _ in range(40):
        write([next(each) for each in streams], ours, again)
    assert_same_samples_of_both(ours, again)
    check_counts(again)


@pytest.mark.parametrize("name", ["frames", "prioritized-frames"])
def test_the_part_check(name: str) -> None:
    check_component("replay-buffer", name, env=Pixels())


def test_returns_that_do_not_fit_the_algorithm_are_refused() -> None:
    with pytest.raises(Sb3ScaleError, match="n_steps is 3, and FrameReplayBuffer gives returns"):
        model("frames", n_steps=3, replay_buffer_kwargs={"n_steps": 2})
