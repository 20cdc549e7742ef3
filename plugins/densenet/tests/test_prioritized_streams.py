"""Prioritised replay of streams of different speed: first priorities, generations, returns."""

import pickle
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

from sb3_scale import Sb3ScaleError
from sb3_scale_densenet.prioritized import PrioritizedReplayBuffer

SPACE, ACTIONS = spaces.Box(-np.inf, np.inf, (3,)), spaces.Box(-1, 1, (2,))
LENGTH, N_ENVS = 12, 3


def make(**params: Any) -> PrioritizedReplayBuffer:
    return PrioritizedReplayBuffer(LENGTH * N_ENVS, SPACE, ACTIONS, "cpu", N_ENVS, **params)


def fragment(rng: np.random.Generator, steps: int, ends: float = 0.0) -> dict[str, np.ndarray]:
    """One that goes on without a gap until an episode ends."""
    observations = rng.normal(size=(steps + 1, 3)).astype(np.float32)
    done = rng.random(steps) < ends
    following = observations[1:].copy()
    following[done] += 1
    return {
        "obs": observations[:-1],
        "next_obs": following,
        "action": rng.uniform(-1, 1, (steps, 2)),
        "reward": rng.normal(size=steps),
        "done": done,
        "timeout": np.zeros(steps, bool),
    }


def priorities(buffer: PrioritizedReplayBuffer, stream: int) -> np.ndarray:
    return buffer.tree[np.arange(LENGTH) * N_ENVS + stream]


def test_first_priorities_are_kept() -> None:
    buffer, rng = make(alpha=0.5, eps=0.01), np.random.default_rng(0)
    buffer.add_stream(1, **fragment(rng, 3), priorities=np.array([4.0, 0.0, 2.5]))
    expected = (np.array([4.0, 0.0, 2.5]) + 0.01) ** 0.5
    np.testing.assert_allclose(priorities(buffer, 1)[:3], expected)
    assert not buffer.tree[np.arange(LENGTH) * N_ENVS].any()
    # The largest so far is now that of the first transition.
    buffer.add_stream(2, **fragment(rng, 2))
    np.testing.assert_allclose(priorities(buffer, 2)[:2], expected[0])
    np.random.seed(0)
    counts = np.zeros(LENGTH * N_ENVS)
    for _ in range(500):
        np.add.at(counts, buffer.sample(64).indices[0], 1)
    share = buffer.tree[np.arange(LENGTH * N_ENVS)] / buffer.tree.total
    np.testing.assert_allclose(counts / counts.sum(), share, atol=0.01)


def test_priorities_of_a_fragment_that_goes_around() -> None:
    buffer, rng = make(alpha=1.0, eps=1e-9), np.random.default_rng(0)
    given = np.arange(1.0, 31.0)
    buffer.add_stream(0, **fragment(rng, 30), priorities=given)
    # Rows 6 to 11 hold the 19th to the 24th, rows 0 to 5 the last six.
    np.testing.assert_allclose(priorities(buffer, 0), [*range(25, 31), *range(19, 25)])


@pytest.mark.parametrize("forget", [False, True])
def test_late_priorities_are_dropped_for_what_was_overwritten(forget: bool) -> None:
    buffer, rng = make(alpha=1.0, eps=1e-9), np.random.default_rng(0)
    for stream, steps in enumerate((12, 5, 9)):
        buffer.add_stream(stream, **fragment(rng, steps))
    batch = buffer.sample(200)
    if forget:
        buffer.reset()
        for stream, steps in enumerate((12, 5, 9)):
            buffer.add_stream(stream, **fragment(rng, steps))
    # Exactly once around: the rows are the same, what they hold is not.
    buffer.add_stream(0, **fragment(rng, 12))
    buffer.add_stream(2, **fragment(rng, 4))
    buffer.update_priorities(batch.indices, torch.full((200,), 7.0))
    buffer.settle()
    assert set(priorities(buffer, 0)) == {1.0}
    expected = pytest.approx(1.0 if forget else 7.0)
    assert list(priorities(buffer, 1)[:5]) == [expected] * 5
    # Of the third stream only its first row was written again.
    assert list(priorities(buffer, 2)) == [1.0] + [expected] * 8 + [1.0] * 3
    assert buffer.largest == expected


def test_generations_count_how_often_each_row_was_written() -> None:
    buffer, rng = make(), np.random.default_rng(0)
    written = np.zeros((LENGTH, N_ENVS), int)
    at = [0] * N_ENVS
    for _ in range(40):
        stream, steps = int(rng.integers(N_ENVS)), int(rng.integers(1, 3 * LENGTH))
        buffer.add_stream(stream, **fragment(rng, steps))
        for _ in range(steps):
            written[at[stream] % LENGTH, stream] += 1
            at[stream] += 1
    np.testing.assert_array_equal(buffer.generations.reshape(LENGTH, N_ENVS), written)
    batch = buffer.sample(50)
    np.testing.assert_array_equal(batch.indices[1], written.reshape(-1)[batch.indices[0]])


def naive_return(
    held: list[dict[str, Any]], start: int, n_steps: int, gamma: float
) -> tuple[float, int]:
    """Return and steps from one transition of what a stream holds, oldest first."""
    total, steps = 0.0, 0
    for offset in range(n_steps):
        at = start + offset
        total += gamma**offset * held[at]["reward"]
        steps += 1
        if held[at]["done"] or at + 1 == len(held):
            break
        if not np.array_equal(held[at]["next_obs"], held[at + 1]["obs"]):
            break
    return total, steps


@pytest.mark.parametrize("seed", range(4))
def test_returns_stay_within_a_stream_an_episode_and_a_fragment_without_a_gap(seed: int) -> None:
    buffer, rng = make(n_steps=3, gamma=0.9), np.random.default_rng(seed)
    held: list[list[dict[str, Any]]] = [[] for _ in range(N_ENVS)]
    for _ in range(25):
        stream, steps = int(rng.choice(3, p=[0.7, 0.2, 0.1])), int(rng.integers(1, 9))
        each = fragment(rng, steps, ends=0.15)
        if rng.random() < 0.5 and held[stream]:
            # It goes on where the stream ended; else there is a gap.
            each["obs"][0] = held[stream][-1]["next_obs"]
        buffer.add_stream(stream, **each)
        for i in range(steps):
            held[stream].append({name: array[i] for name, array in each.items()})
        data = buffer.sample(64)
        for i, row in enumerate(data.indices[0]):
            position, env = divmod(int(row), N_ENVS)
            count = len(held[env])
            newest = (count - 1) % LENGTH
            age = (newest - position) % LENGTH
            kept = held[env][-LENGTH:]
            start = len(kept) - 1 - age
            expected, steps_taken = naive_return(kept, start, 3, 0.9)
            assert data.rewards[i, 0] == pytest.approx(expected, abs=1e-5)
            assert data.discounts is not None
            assert data.discounts[i, 0] == pytest.approx(0.9**steps_taken)
            last = kept[start + steps_taken - 1]
            np.testing.assert_array_equal(data.observations[i], kept[start]["obs"])
            np.testing.assert_array_equal(data.next_observations[i], last["next_obs"])
            assert data.dones[i, 0] == last["done"]


def test_goes_on_after_a_pickle_with_streams_of_different_length() -> None:
    buffer, rng = make(n_steps=2), np.random.default_rng(0)
    for stream, steps in enumerate((15, 2, 7)):
        buffer.add_stream(stream, **fragment(rng, steps), priorities=rng.random(steps))
    batch = buffer.sample(20)
    again = pickle.loads(pickle.dumps(buffer))
    batches = []
    for each in (buffer, again):
        generator = np.random.default_rng(1)
        each.add_stream(1, **fragment(generator, 5))
        each.update_priorities(batch.indices, torch.linspace(0, 3, 20))
        np.random.seed(3)
        batches.append(each.sample(16))
    for ours, theirs in zip(*batches, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("stream", "given", "sentence"),
    [
        (0, np.ones(3), r"priorities of a fragment have shape \(3,\); allowed: \(4,\)"),
        (
            0,
            np.array([1, -1, 2, 0.0]),
            "1 of 4 priorities given to replay buffer 'prioritized' are",
        ),
        (0, np.array([1, np.nan, np.inf, 0]), "2 of 4 priorities .* negative or not finite; allow"),
        (-1, np.ones(4), "stream is -1, and the replay buffer has 3 of them; allowed: 0 to 2"),
        (3, None, "stream is 3, and the replay buffer has 3 of them; allowed: 0 to 2"),
    ],
    ids=str,
)
def test_bad_priorities_are_refused(stream: int, given: Any, sentence: str) -> None:
    buffer = make()
    with pytest.raises(Sb3ScaleError, match=sentence):
        buffer.add_stream(stream, **fragment(np.random.default_rng(0), 4), priorities=given)
    assert buffer.streams.stored == 0
    assert buffer.tree.total == 0
    assert buffer.largest == 1.0
