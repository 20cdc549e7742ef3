"""Fragments of single streams next to lists of lists, and draws from streams of any length."""

import pickle
from collections import deque
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from scipy.stats import chisquare
from stable_baselines3.common.buffers import ReplayBuffer

from sb3_scale import Sb3ScaleError
from sb3_scale.replay.compact import CompactReplayBuffer

SPACE, ACTIONS = spaces.Box(-np.inf, np.inf, (3,)), spaces.Box(-1, 1, (2,))
Fragment = dict[str, np.ndarray]
Transition = tuple[tuple[float, ...], ...]


class Source:
    """One stream that is never the same twice, with ends, time limits and cuts."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.observation = self._draw()

    def _draw(self) -> np.ndarray:
        return self.rng.normal(size=3).astype(np.float32)

    def fragment(self, steps: int) -> Fragment:
        found: dict[str, list[Any]] = {
            name: [] for name in ("obs", "next_obs", "action", "reward", "done", "timeout")
        }
        for _ in range(steps):
            done = self.rng.random() < 0.15
            following = self._draw()
            # A cut: the stream begins anew within an episode.
            beside = done or self.rng.random() < 0.1
            found["obs"].append(self.observation)
            found["next_obs"].append(self._draw() if beside else following)
            found["action"].append(self.rng.uniform(-1, 1, 2).astype(np.float32))
            found["reward"].append(np.float32(self.rng.normal()))
            found["done"].append(done)
            found["timeout"].append(done and self.rng.random() < 0.5)
            self.observation = following
        return {name: np.array(values) for name, values in found.items()}


class Lists:
    """What each stream holds, oldest first."""

    def __init__(self, length: int, n_envs: int) -> None:
        self.streams: list[deque[Transition]] = [deque(maxlen=length) for _ in range(n_envs)]

    def add_stream(self, stream: int, fragment: Fragment) -> None:
        for i in range(len(fragment["reward"])):
            ended = float(fragment["done"][i] and not fragment["timeout"][i])
            names = ("obs", "action", "next_obs")
            arrays = [tuple(fragment[name][i].tolist()) for name in names]
            self.streams[stream].append((*arrays, (ended,), (float(fragment["reward"][i]),)))

    def all(self) -> set[Transition]:
        return {transition for stream in self.streams for transition in stream}


def drawn(batch: Any) -> list[Transition]:
    columns = [map(tuple, column.tolist()) for column in batch[:5]]
    return list(zip(*columns, strict=True))


def stack(fragments: list[Fragment]) -> tuple[Any, ...]:
    """One transition of each stream, as ``add`` takes them."""
    names = ("obs", "next_obs", "action", "reward", "done", "timeout")
    *arrays, timeouts = (np.concatenate([each[name] for each in fragments]) for name in names)
    return (*arrays, [{"TimeLimit.truncated": bool(timeout)} for timeout in timeouts])


def assert_same_draws(ours: CompactReplayBuffer, theirs: ReplayBuffer) -> None:
    batches = []
    for buffer in (ours, theirs):
        np.random.seed(5)
        batches.append((buffer.sample(100), np.random.random()))
    (one, after), (other, other_after) = batches
    assert after == other_after
    for found, wanted in zip(one[:5], other[:5], strict=True):
        assert found.numpy().tobytes() == wanted.numpy().tobytes()


@pytest.mark.parametrize("length", [1, 2, 5, 30])
@pytest.mark.parametrize("longest", [1, 3, 70])
def test_fragments_of_any_speed_are_what_lists_hold(length: int, longest: int) -> None:
    n_envs = 3
    buffer = CompactReplayBuffer(length * n_envs, SPACE, ACTIONS, "cpu", n_envs)
    lists = Lists(length, n_envs)
    sources = [Source(seed) for seed in range(n_envs)]
    rng = np.random.default_rng(0)
    for step in range(60):
        # The third stream is slow.
        stream = int(rng.choice(3, p=[0.6, 0.35, 0.05]))
        fragment = sources[stream].fragment(int(rng.integers(1, longest + 1)))
        buffer.add_stream(stream, **fragment)
        lists.add_stream(stream, fragment)
        held = lists.all()
        assert set(drawn(buffer.sample(30))) <= held
        fewest = min(map(len, lists.streams))
        assert (buffer.size(), buffer.full) == (fewest, fewest == length)
        if step % 20 == 19:
            everything = set(drawn(buffer.sample(3000)))
            assert everything == held
            buffer = pickle.loads(pickle.dumps(buffer))
    buffer.reset()
    fragment = sources[0].fragment(1)
    buffer.add_stream(1, **fragment)
    lists = Lists(length, n_envs)
    lists.add_stream(1, fragment)
    assert set(drawn(buffer.sample(20))) == lists.all()


def test_all_written_transitions_are_drawn_alike() -> None:
    np.random.seed(0)
    buffer = CompactReplayBuffer(150, SPACE, ACTIONS, "cpu", 3)
    for stream, steps in ((0, 80), (1, 20), (2, 3)):
        buffer.add_stream(stream, **Source(stream).fragment(steps))
    for draw in (buffer.sample, buffer.sample_single_steps):
        actions = draw(20_000).actions.numpy()
        counts = np.unique(actions[:, 0], return_counts=True)[1]
        assert len(counts) == 50 + 20 + 3
        assert chisquare(counts).pvalue > 0.01


@pytest.mark.parametrize("n_envs", [1, 3])
@pytest.mark.parametrize("steps", [3, 20, 41, 95])
def test_streams_of_one_length_give_the_draws_of_stable_baselines3(n_envs: int, steps: int) -> None:
    """Whether they were written at once, in fragments, or both."""
    size = 20 * n_envs
    theirs = ReplayBuffer(size, SPACE, ACTIONS, "cpu", n_envs)
    at_once, pieces, both = (
        CompactReplayBuffer(size, SPACE, ACTIONS, "cpu", n_envs) for _ in range(3)
    )
    fragments = [Source(seed).fragment(steps) for seed in range(n_envs)]

    def part(stream: int, start: int, end: int) -> Fragment:
        return {name: array[start:end] for name, array in fragments[stream].items()}

    for step in range(steps):
        transition = stack([part(stream, step, step + 1) for stream in range(n_envs)])
        theirs.add(*transition)
        at_once.add(*transition)
        assert (at_once.pos, at_once.full) == (theirs.pos, theirs.full)
        if not steps // 3 <= step < 2 * steps // 3:
            both.add(*transition)
        elif step == steps // 3:
            for stream in range(n_envs):
                both.add_stream(stream, **part(stream, step, 2 * steps // 3))
    for stream in range(n_envs):
        for start in range(0, steps, 7):
            pieces.add_stream(stream, **part(stream, start, start + 7))
    for ours in (at_once, pieces, both):
        assert (ours.pos, ours.full, ours.size()) == (theirs.pos, theirs.full, theirs.size())
        assert_same_draws(ours, theirs)
        assert ours.observations.tobytes() == theirs.observations.tobytes()
        written = slice(0, ours.size())
        np.testing.assert_array_equal(
            ours.next_observations[written], theirs.next_observations[written]
        )


@pytest.mark.parametrize("ahead", [0, 4])
def test_fragments_of_several_streams_are_those_of_each(ahead: int) -> None:
    """Around the end of the ring too, and where one stream has more than its neighbours."""
    alone, together = (CompactReplayBuffer(60, SPACE, ACTIONS, "cpu", n_envs=4) for _ in range(2))
    sources = [Source(stream) for stream in range(4)]
    if ahead:
        early = sources[2].fragment(ahead)
        for buffer in (alone, together):
            buffer.add_stream(2, **early)
    for steps in (1, 5, 9, 3, 2):
        for first in (0, 2, 1):
            fragments = [source.fragment(steps) for source in sources[first : first + 2]]
            for stream, fragment in enumerate(fragments, first):
                alone.add_stream(stream, **fragment)
            joint = {
                name: np.stack([each[name] for each in fragments], axis=1) for name in fragments[0]
            }
            together.add_streams(first, **joint)
    assert alone.streams.written.tolist() == together.streams.written.tolist()
    assert (alone.pos, alone.full) == (together.pos, together.full)
    names = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
    for name in names:
        np.testing.assert_array_equal(getattr(alone, name), getattr(together, name), err_msg=name)


def test_all_streams_at_once_after_one_of_them_went_ahead() -> None:
    buffer, lists = CompactReplayBuffer(24, SPACE, ACTIONS, "cpu", 2), Lists(12, 2)
    sources = [Source(seed) for seed in range(2)]
    for ahead in (3, 1, 20):
        fragment = sources[1].fragment(ahead)
        buffer.add_stream(1, **fragment)
        lists.add_stream(1, fragment)
        for _ in range(5):
            fragments = [source.fragment(1) for source in sources]
            buffer.add(*stack(fragments))
            for stream, each in enumerate(fragments):
                lists.add_stream(stream, each)
            assert set(drawn(buffer.sample(1000))) == lists.all()


def test_what_was_not_written_is_not_pickled() -> None:
    buffer = CompactReplayBuffer(20_000, SPACE, ACTIONS, "cpu", 2)
    buffer.add_stream(1, **Source(0).fragment(50))
    # Spaces, names and the like take the rest.
    assert len(pickle.dumps(buffer)) < 100 * buffer.transition_bytes + 2000
    again = pickle.loads(pickle.dumps(buffer))
    for each in (buffer, again):
        each.add_stream(1, **Source(1).fragment(5))
        each.add_stream(0, **Source(2).fragment(55))
    assert again.pos == 55
    assert again.observations.tobytes() == buffer.observations.tobytes()
    assert again.next_observations.tobytes() == buffer.next_observations.tobytes()


def test_ends_by_a_time_limit_are_ends_where_they_are_not_told_apart() -> None:
    fragment = Source(0).fragment(40)
    assert fragment["timeout"].any()
    buffer = CompactReplayBuffer(40, SPACE, ACTIONS, "cpu", handle_timeout_termination=False)
    buffer.add_stream(0, **fragment)
    np.testing.assert_array_equal(buffer.dones[:, 0], fragment["done"])
    assert not buffer.timeouts.any()


def test_actions_of_a_discrete_space_may_lack_their_axis() -> None:
    fragment = Source(0).fragment(3)
    for shape in ((3,), (3, 1)):
        buffer = CompactReplayBuffer(5, SPACE, spaces.Discrete(4), "cpu")
        buffer.add_stream(0, **{**fragment, "action": np.array([2, 0, 3]).reshape(shape)})
        assert buffer.actions[:3, 0, 0].tolist() == [2, 0, 3]


@pytest.mark.parametrize(
    ("stream", "changes", "sentence"),
    [
        (-1, {}, "stream is -1, and the replay buffer has 2 of them; allowed: 0 to 1"),
        (2, {}, "stream is 2, and the replay buffer has 2 of them; allowed: 0 to 1"),
        (0.0, {}, "stream is 0.0, and the replay buffer has 2 of them; allowed: 0 to 1"),
        (0, {"obs": np.zeros((4, 5))}, r"obs .* shape \(4, 5\); allowed: \(4, 3\)"),
        (0, {"obs": np.zeros((0, 3))}, r"obs .* shape \(0, 3\); allowed: at least 1 transition"),
        (0, {"obs": 1.0}, r"obs .* shape \(\); allowed: at least 1 transition"),
        (0, {"next_obs": np.zeros((5, 3))}, r"next_obs .* \(5, 3\); allowed: \(4, 3\)"),
        (0, {"action": np.zeros((4, 3))}, r"action .* \(4, 3\); allowed: \(4, 2\)"),
        (0, {"reward": np.zeros((4, 1))}, r"reward .* \(4, 1\); allowed: \(4,\)"),
        (0, {"done": np.zeros(3)}, r"done .* \(3,\); allowed: \(4,\)"),
        (0, {"timeout": np.zeros(())}, r"timeout .* \(\); allowed: \(4,\)"),
        (
            0,
            {"priorities": np.ones(4)},
            "priorities are given, and CompactReplayBuffer draws all transitions alike; allowed: N",
        ),
    ],
    ids=str,
)
def test_bad_fragments_are_refused(stream: Any, changes: dict[str, Any], sentence: str) -> None:
    buffer = CompactReplayBuffer(20, SPACE, ACTIONS, "cpu", 2)
    with pytest.raises(Sb3ScaleError, match=sentence) as caught:
        buffer.add_stream(stream, **{**Source(0).fragment(4), **changes})
    assert "\n" not in str(caught.value)
    assert buffer.streams.stored == 0
