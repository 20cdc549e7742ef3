"""Which replay buffer an algorithm uses, what is refused, and the check of somebody's own."""

import re
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import psutil
import pytest
import torch
from gymnasium import spaces
from small_models import make
from stable_baselines3.common.buffers import DictReplayBuffer, NStepReplayBuffer, ReplayBuffer
from zoo_commands import FAST, SMALL, refused, run, train

from sb3_scale import SAC, TD3, Sb3ScaleError
from sb3_scale import ReplayBuffer as ReplayBufferSpec
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale.replay.one_step import gives_single_steps
from sb3_scale.replay.weighted import PrioritizedReplay, WeightedSamples, has_priorities
from sb3_scale.testing import check_component
from sb3_scale_densenet.prioritized import PrioritizedReplayBuffer

BOX = spaces.Box(-1, 1, (2,))


def test_more_than_the_memory_is_refused() -> None:
    with pytest.raises(Sb3ScaleError) as caught:
        make(SAC, buffer_size=10**11)
    # Pendulum: 3 observations, 1 action, 3 outcomes, 1 slot.
    pattern = (
        r"buffer_size is 100000000000: 3200.0 GB are needed, and (\S+) GB of the host's memory are "
        r"free; allowed: at most (\d+)"
    )
    found = re.fullmatch(pattern, str(caught.value))
    assert found
    free = psutil.virtual_memory().available
    assert float(found[1]) * 1e9 == pytest.approx(free, rel=0.2)
    assert int(found[2]) * 32 == pytest.approx(0.9 * float(found[1]) * 1e9, rel=0.01)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"replay_buffer_class": "compakt"}, r"'compakt'; allowed: .*did you mean 'compact'\?"),
        ({"replay_buffer_kwargs": {"storge": "host"}}, r"'storge'.*did you mean 'storage'\?"),
        (
            {"replay_buffer_kwargs": {"storage": "gpu"}},
            "storage is 'gpu'.*'auto', 'host', 'device'",
        ),
        (
            {
                "replay_buffer_class": CompactReplayBuffer,
                "replay_buffer_kwargs": {"storage": "gpu"},
            },
            r"CompactReplayBuffer: storage is 'gpu' \(str\); allowed: 'auto', 'host', 'device'",
        ),
        (
            {
                "replay_buffer_class": CompactReplayBuffer,
                "replay_buffer_kwargs": {"handle_timeout_termination": "no"},
            },
            r"handle_timeout_termination is 'no' \(str\); allowed: bool",
        ),
        (
            {
                "replay_buffer_class": ReplayBuffer,
                "replay_buffer_kwargs": {"handle_timeout_termination": "false"},
            },
            r"ReplayBuffer: handle_timeout_termination is 'false' \(str\); allowed: bool",
        ),
        (
            {
                "replay_buffer_class": PrioritizedReplayBuffer,
                "replay_buffer_kwargs": {"alpha": "0.6"},
            },
            r"PrioritizedReplayBuffer: alpha is '0.6' \(str\); allowed: float",
        ),
        (
            {"replay_buffer_class": "compact", "replay_buffer_kwargs": {"n_steps": 10**9}},
            "n_steps is 1000000000; allowed: a whole number, at least 1, at most 10000",
        ),
        (
            {"replay_buffer_class": "compact", "optimize_memory_usage": True},
            "optimize_memory_usage is True.*allowed: False",
        ),
    ],
    ids=str,
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(Sb3ScaleError, match=message):
        make(SAC, **settings)


class DictEnv(gym.Env[Any, Any]):
    observation_space = spaces.Dict({"x": BOX})
    action_space = BOX


PLAIN = {
    "optimize_memory_usage": True,
    "replay_buffer_kwargs": {"handle_timeout_termination": False},
}


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, CompactReplayBuffer),
        ({"replay_buffer_class": "compact"}, CompactReplayBuffer),
        ({"replay_buffer_class": ReplayBuffer}, ReplayBuffer),
        ({"n_steps": 3}, NStepReplayBuffer),
        (PLAIN, ReplayBuffer),
        ({"env": DictEnv()}, CompactReplayBuffer),
        ({"env": DictEnv(), "replay_buffer_class": DictReplayBuffer}, DictReplayBuffer),
    ],
    ids=["default", "by-name", "by-class", "n-steps", "optimize-memory", "dict", "dict-by-class"],
)
def test_which_buffer_is_made(settings: dict[str, Any], expected: type) -> None:
    assert type(make(SAC, **settings).replay_buffer) is expected


@pytest.mark.parametrize("algorithm", [SAC, TD3])
def test_stock_policies_keep_their_own(algorithm: Any) -> None:
    model = algorithm("MlpPolicy", "Pendulum-v1", buffer_size=100, device="cpu")
    assert type(model.replay_buffer) is ReplayBuffer


def test_where_it_is_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    make(SAC, verbose=1)
    line = "Replay buffer: 500 transitions of 32 bytes, 0.00 GB on the host\n"
    assert capsys.readouterr().err.count(line) == 1
    make(SAC, verbose=0)
    assert "Replay buffer" not in capsys.readouterr().err


@pytest.mark.slow
def test_by_name_in_rl_zoo(tmp_path: Path) -> None:
    settings = ("replay_buffer_class:'compact'", "replay_buffer_kwargs:{'storage':'host'}")
    output = train(tmp_path, "pendulum-swingup", 60, *FAST, *SMALL, *settings)
    assert "Replay buffer: 1000 transitions of 32 bytes" in output
    command = "-m rl_zoo3.train --algo sac --env pendulum-swingup -n 60".split()
    done = run(tmp_path, *command, *SMALL, "replay_buffer_class:'compakt'")
    assert "did you mean 'compact'?" in refused(done)


class Mixed(ReplayBuffer):
    """
    Gives actions of other transitions.

    :param shift: how far the others are away
    """

    def __init__(
        self,
        buffer_size: int,
        observation_space: Any,
        action_space: Any,
        device: Any = "auto",
        n_envs: int = 1,
        optimize_memory_usage: bool = False,
        shift: int = 1,
    ) -> None:
        super().__init__(
            buffer_size, observation_space, action_space, device, n_envs, optimize_memory_usage
        )
        self.shift = shift

    def _get_samples(self, batch_inds: np.ndarray, env: Any = None) -> Any:
        batch = super()._get_samples(batch_inds, env)
        return batch._replace(actions=batch.actions.roll(self.shift, dims=0))


class Forgetful(Mixed):
    """
    Loses its transitions when it is saved.

    :param shift: as of Mixed
    """

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "observations": np.zeros_like(self.observations)}


class Lockstep(CompactReplayBuffer):
    """Draws from all streams alike, written or not."""

    def sample(self, batch_size: int, env: Any = None) -> Any:
        index = np.random.randint(0, self.size() * self.n_envs or self.n_envs, batch_size)
        return self.transitions(index, index, env)


class Unweighted(CompactReplayBuffer, PrioritizedReplay):
    """Says that it has priorities, and gives no weights."""

    def update_priorities(self, indices: np.ndarray, td_errors: torch.Tensor) -> None:
        raise AssertionError


class Weighted(Unweighted):
    """Gives weights, and cannot take errors."""

    def sample(self, batch_size: int, env: Any = None) -> Any:
        index = np.random.randint(0, self.size() * self.n_envs, batch_size)
        weights = torch.ones(batch_size, 1)
        return WeightedSamples(*self.transitions(index, index, env), weights, index)

    def update_priorities(self, indices: np.ndarray, td_errors: torch.Tensor) -> None:
        raise ValueError("no room")


@pytest.mark.parametrize(
    ("buffer", "params", "message"),
    [
        (Lockstep, {}, "gives an observation that it no longer holds"),
        (Unweighted, {}, "gives no tensor in 'importance_weights' of sample"),
        (Weighted, {}, "fails in update_priorities: ValueError: no room"),
        (Mixed, {}, "with the action of another"),
        (Forgetful, {"shift": 0}, "gives other batches after it was pickled"),
    ],
)
def test_faults_are_found(buffer: type, params: dict[str, Any], message: str) -> None:
    spec = ReplayBufferSpec("odd", f"{__name__}:{buffer.__name__}", summary="Faulty.")
    with pytest.raises(AssertionError, match=message):
        check_component(spec, params=params)


def test_a_right_one_of_somebody_passes() -> None:
    spec = ReplayBufferSpec("right", f"{__name__}:Mixed", summary="Right.")
    check_component(spec, params={"shift": 0})


def test_what_a_buffer_gives_is_told_by_its_type() -> None:
    class Look(ReplayBuffer):
        """Has methods of the same names, of another contract."""

        def update_priorities(self) -> None: ...

        def sample_single_steps(self) -> None: ...

    for buffer, priorities, single in (
        (ReplayBuffer, False, True),
        (NStepReplayBuffer, False, True),
        (CompactReplayBuffer, False, True),
        (Weighted, True, True),
        (Look, False, False),
    ):
        made = buffer(10, BOX, BOX, "cpu")
        assert has_priorities(buffer) is has_priorities(made) is priorities
        assert gives_single_steps(made) is single
    assert not has_priorities(None)
