"""Another ``n_steps`` or ``gamma`` at loading: the replay buffer follows."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from small_models import make
from stable_baselines3.common.buffers import NStepReplayBuffer

from sb3_scale import SAC, Sb3ScaleError

KINDS: dict[str, dict[str, Any]] = {
    "compact": {"replay_buffer_class": "compact"},
    "prioritized": {"replay_buffer_class": "prioritized"},
    "of Stable-Baselines3": {
        "replay_buffer_class": NStepReplayBuffer,
        "replay_buffer_kwargs": {"n_steps": 3, "gamma": 0.9},
    },
}


@pytest.fixture(params=KINDS)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A checkpoint of a training with returns over three steps."""
    make(SAC, n_steps=3, gamma=0.9, **KINDS[request.param]).learn(25).save(tmp_path / "m")
    return tmp_path / "m"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (3, 0.9)),
        ({"n_steps": 1}, (1, 0.9)),
        ({"n_steps": 5}, (5, 0.9)),
        ({"gamma": 0.5}, (3, 0.5)),
        ({"n_steps": 2, "gamma": 0.5}, (2, 0.5)),
    ],
    ids=str,
)
@pytest.mark.parametrize("by", ["arguments", "custom_objects"])
def test_returns_are_those_of_the_arguments(
    given: dict[str, Any], expected: tuple[int, float], by: str, saved: Path
) -> None:
    arguments = given if by == "arguments" else {"custom_objects": given}
    model = SAC.load(saved, gym.make("Pendulum-v1"), device="cpu", **arguments)
    assert (model.n_steps, model.gamma) == expected
    model.learn(40)
    discounts = model.sample(16).discounts
    n_steps, gamma = expected
    assert discounts.max().item() <= gamma + 1e-6
    assert discounts.min().item() == pytest.approx(gamma**n_steps)
    model.save(saved)
    again = SAC.load(saved, gym.make("Pendulum-v1"), device="cpu", gamma=0.7, n_steps=4)
    assert (again.replay_buffer.n_steps, again.replay_buffer.gamma) == (4, 0.7)


def test_the_users_own_arguments_of_the_buffer_count(saved: Path) -> None:
    env = gym.make("Pendulum-v1")
    own = {"n_steps": 4, "gamma": 0.9}
    model = SAC.load(saved, env, device="cpu", n_steps=4, replay_buffer_kwargs=own)
    assert model.replay_buffer.n_steps == 4
    with pytest.raises(Sb3ScaleError, match=r"n_steps is 2, and .* gives returns over 4; allowed"):
        SAC.load(saved, env, device="cpu", n_steps=2, replay_buffer_kwargs=own)


def test_a_buffer_that_stable_baselines3_chose_is_chosen_anew(tmp_path: Path) -> None:
    model = make(
        SAC,
        n_steps=3,
        replay_buffer_class=NStepReplayBuffer,
        replay_buffer_kwargs={"n_steps": 3, "gamma": 0.99},
    )
    model.save(tmp_path / "m")
    found = SAC.load(tmp_path / "m", gym.make("Pendulum-v1"), device="cpu", n_steps=1)
    assert getattr(found.replay_buffer, "n_steps", 1) == 1
    assert found.replay_buffer_kwargs == {}


def test_a_file_with_returns_over_other_steps_is_refused(saved: Path, tmp_path: Path) -> None:
    env = gym.make("Pendulum-v1")
    SAC.load(saved, env, device="cpu").learn(25).save_replay_buffer(tmp_path / "b")
    model = SAC.load(saved, env, device="cpu", n_steps=1)
    before = model.replay_buffer
    with pytest.raises(Sb3ScaleError, match="gives returns over 3 steps, and that of the alg"):
        model.load_replay_buffer(tmp_path / "b")
    assert model.replay_buffer is before
