"""A replay buffer is neither dropped nor scrambled without a word."""

from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from small_models import assert_same, learned, make
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.envs import BitFlippingEnv
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecFrameStack,
    VecNormalize,
    VecTransposeImage,
)
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

from sb3_scale import SAC, Sb3ScaleError
from sb3_scale.replay.compact import CompactReplayBuffer
from sb3_scale_densenet.prioritized import PrioritizedReplayBuffer

BOX, ACTIONS = spaces.Box(-9, 9, (3,)), spaces.Box(-1, 1, (2,))


def transition(n_envs: int = 1, **changed: Any) -> dict[str, Any]:
    return {
        "obs": np.zeros((n_envs, 3)),
        "next_obs": np.zeros((n_envs, 3)),
        "action": np.zeros((n_envs, 2)),
        "reward": np.zeros(n_envs),
        "done": np.zeros(n_envs),
        "infos": [{}] * n_envs,
        **changed,
    }


def test_set_env_keeps_a_smaller_buffer_that_the_user_put_in_place() -> None:
    model = make(SAC, gym.make("Pendulum-v1"), buffer_size=200).learn(10)
    own = CompactReplayBuffer(50, model.observation_space, model.action_space, "cpu")
    own.add(*transition(action=np.zeros((1, 1))).values())
    model.replay_buffer = own
    model.set_env(gym.make("Pendulum-v1"))
    assert model.replay_buffer is own
    model.learn(60)
    assert own.full


@pytest.mark.parametrize("with_env", [False, True])
def test_set_env_keeps_a_smaller_buffer_that_was_loaded(with_env: bool, tmp_path: Path) -> None:
    model = make(SAC, gym.make("Pendulum-v1"), buffer_size=50).learn(10)
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "buffer")
    env = gym.make("Pendulum-v1") if with_env else None
    again = SAC.load(tmp_path / "model", env, custom_objects={"buffer_size": 500})
    again.load_replay_buffer(tmp_path / "buffer")
    again.set_env(gym.make("Pendulum-v1"))
    assert (again.replay_buffer.size(), again.replay_buffer.buffer_size) == (10, 50)


@pytest.mark.filterwarnings("ignore:The last trajectory")
def test_set_env_keeps_a_her_buffer_which_asks_the_new_environment(tmp_path: Path) -> None:
    env = BitFlippingEnv(4, continuous=True)
    model = make(SAC, env, replay_buffer_class=HerReplayBuffer, learning_starts=10).learn(8)
    model.save_replay_buffer(tmp_path / "buffer")
    model.load_replay_buffer(tmp_path / "buffer")
    buffer = model.replay_buffer
    model.set_env(BitFlippingEnv(4, continuous=True))
    assert model.replay_buffer is buffer
    assert (buffer.size(), buffer.env) == (8, model.env)
    model.learn(20)


def test_set_env_of_another_number_is_one_sentence() -> None:
    model = make(SAC)
    with pytest.raises(Sb3ScaleError, match="env has 2 environments, and the algorithm and its"):
        model.set_env(make_vec_env("Pendulum-v1", 2))


def test_a_buffer_of_another_number_of_environments_or_shape_trains_nothing() -> None:
    model = make(SAC)
    spaces_of = model.observation_space, model.action_space
    for kind in (CompactReplayBuffer, ReplayBuffer):
        model.replay_buffer = kind(50, *spaces_of, "cpu", 4)
        with pytest.raises(Sb3ScaleError, match="environments of the replay buffer: 4, and of the"):
            model.learn(5)
    model.replay_buffer = ReplayBuffer(50, spaces.Box(-1, 1, (4,)), spaces_of[1], "cpu")
    with pytest.raises(Sb3ScaleError, match=r"shape of observations of the replay buffer: \(4,\)"):
        model.learn(5)
    assert model.num_timesteps == 0


@pytest.mark.parametrize("kind", [CompactReplayBuffer, PrioritizedReplayBuffer])
@pytest.mark.parametrize(
    ("n_envs", "changed", "sentence"),
    [
        (1, {"obs": np.float32(1)}, r"obs has shape \(\); allowed: \(1, 3\)"),
        (1, {"next_obs": np.zeros((1, 1))}, r"next_obs has shape \(1, 1\); allowed: \(1, 3\)"),
        (2, {"obs": np.zeros((3, 2))}, r"obs has shape \(3, 2\); allowed: \(2, 3\)"),
        (2, {"obs": np.zeros(3)}, r"obs has shape \(3,\); allowed: \(2, 3\)"),
        (2, {"action": np.zeros(2)}, r"action has shape \(2,\); allowed: \(2, 2\)"),
        (2, {"reward": 1.0}, r"reward has shape \(\); allowed: \(2,\)"),
        (2, {"done": np.zeros((2, 1))}, r"done has shape \(2, 1\); allowed: \(2,\)"),
        (2, {"infos": [{}]}, "infos has 1 entries; allowed: 2"),
    ],
)
def test_a_shape_that_would_be_spread_or_mixed_is_refused(
    kind: Any, n_envs: int, changed: dict[str, Any], sentence: str
) -> None:
    buffer = kind(20, BOX, ACTIONS, "cpu", n_envs)
    buffer.add(*transition(n_envs).values())
    with pytest.raises(Sb3ScaleError, match=sentence):
        buffer.add(*transition(n_envs, **changed).values())
    assert (buffer.pos, buffer.streams.stored) == (1, n_envs)
    buffer.add(*transition(n_envs).values())


def test_one_environment_needs_no_axis_of_its_own() -> None:
    buffer = CompactReplayBuffer(20, BOX, ACTIONS, "cpu")
    stored = ReplayBuffer(20, BOX, ACTIONS, "cpu")
    single = transition(obs=np.arange(3), next_obs=np.ones(3), action=np.ones(2), reward=2.0)
    for each in (buffer, stored):
        each.add(*{**single, "done": True}.values())
    assert np.array_equal(buffer.observations, stored.observations)
    assert np.array_equal(buffer.next_observations[0], stored.next_observations[0])


def test_fragments_with_a_number_that_is_not_finite_are_refused() -> None:
    buffer = CompactReplayBuffer(20, BOX, ACTIONS, "cpu")
    steps, nothing = np.zeros((4, 3)), np.zeros(3)
    steps[2, 1] = np.inf
    with pytest.raises(Sb3ScaleError, match=r"obs of a fragment at \[2, 1\] is inf"):
        buffer.add_stream(0, steps[:-1], steps[1:], np.zeros((3, 2)), nothing, nothing, nothing)
    assert buffer.streams.stored == 0


class Camera(gym.Env[Any, Any]):
    observation_space: Any = spaces.Box(0, 255, (36, 40, 3), np.uint8)
    action_space = spaces.Box(-1, 1, (1,))
    image = np.broadcast_to(np.array([10, 20, 30], np.uint8), (36, 40, 3))

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return self.image, {}

    def step(self, action: Any) -> Any:
        return self.image, 0.0, False, False, {}


def test_images_are_refused_where_vecnormalize_stands_within_what_turns_them() -> None:
    for env in (
        VecNormalize(DummyVecEnv([Camera]), norm_obs=False),
        VecFrameStack(VecNormalize(make_vec_env("Pendulum-v1", 1)), 2),
    ):
        with pytest.raises(Sb3ScaleError, match="allowed: VecNormalize around"):
            make(SAC, env, buffer_size=20)
    model = make(SAC)
    with pytest.raises(ValueError, match="do not match"):
        model.set_env(VecNormalize(DummyVecEnv([Camera]), norm_obs=False))


def test_images_are_stored_channel_by_channel_as_the_sentence_says() -> None:
    env = VecNormalize(VecTransposeImage(DummyVecEnv([Camera])), norm_obs=False)
    model = make(SAC, env, buffer_size=20).learn(5)
    assert (model.replay_buffer.sample(1).observations[0, 1] == 20).all()


class Integers(gym.Env[Any, Any]):
    action_space = spaces.Box(-1, 1, (1,))
    taken = 0

    def __init__(self, dtype: Any) -> None:
        self.observation_space = spaces.Box(0, 99, (2, 3), dtype)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        self.taken += 1
        return self.observation_space.sample(), 1.0, False, self.taken % 7 == 0, {}


@pytest.mark.parametrize(
    "dtype", [np.uint16, np.uint32, np.uint64, np.int64, np.float16, np.float64, np.int8]
)
def test_observations_of_any_type_train_as_in_the_buffer_of_stable_baselines3(dtype: Any) -> None:
    trained = []
    for kind in (None, ReplayBuffer):
        env = Integers(dtype)
        env.observation_space.seed(0)
        model = make(
            SAC, env, "symlog", learning_starts=8, batch_size=4, replay_buffer_class=kind
        ).learn(12)
        trained.append(model)
    assert type(trained[0].replay_buffer) is CompactReplayBuffer
    assert_same(learned(trained[0]), learned(trained[1]), "parameters")
    model = make(SAC, Integers(dtype), replay_buffer_class="prioritized", learning_starts=8)
    assert (
        model.learn(10).replay_buffer.sample(4).observations.dtype
        == torch.from_numpy(np.zeros(0, dtype)).dtype
    )


class MoreFields(NamedTuple):
    observations: Any
    actions: Any
    next_observations: Any
    dones: Any
    rewards: Any
    leaves: Any


class NoDones(NamedTuple):
    observations: Any
    actions: Any
    next_observations: Any
    rewards: Any


class WithMore(ReplayBuffer):
    """Of a user, with priorities of another kind, as earlier versions gave samples."""

    def sample(self, batch_size: int, env: Any = None) -> Any:
        return MoreFields(*super().sample(batch_size, env)[:5], np.arange(batch_size))

    def update_priorities(self, leaves: Any, errors: Any, progress: Any) -> None: ...


class WithoutDones(ReplayBuffer):
    def sample(self, batch_size: int, env: Any = None) -> Any:
        drawn = super().sample(batch_size, env)
        return NoDones(*drawn[:3], drawn.rewards)


class WithoutEnv(ReplayBuffer):
    def sample(self, batch_size: int) -> Any:
        return super().sample(batch_size)


class FlatRewards(ReplayBuffer):
    def sample(self, batch_size: int, env: Any = None) -> Any:
        drawn = super().sample(batch_size, env)
        return drawn._replace(rewards=drawn.rewards.flatten())


class FlatWeights(PrioritizedReplayBuffer):
    def sample(self, batch_size: int, env: Any = None) -> Any:
        drawn = super().sample(batch_size, env)
        return drawn._replace(importance_weights=drawn.importance_weights.flatten())


class WithProgress(PrioritizedReplayBuffer):
    def update_priorities(self, leaves: Any, errors: Any, progress: Any) -> None:  # type: ignore[override]
        """Takes one argument more than it gets."""


def changing(name: str, change: Any) -> type[ReplayBuffer]:
    """A buffer of a user with one column of another kind."""

    class Changed(ReplayBuffer):
        def sample(self, batch_size: int, env: Any = None) -> Any:
            drawn = super().sample(batch_size, env)
            return drawn._replace(**{name: change(getattr(drawn, name))})

    return Changed


def test_a_buffer_of_a_user_trains_without_weights() -> None:
    model = make(SAC, replay_buffer_class=WithMore, learning_starts=8, batch_size=4).learn(10)
    assert model._n_updates == 2
    stock = SAC("MlpPolicy", "Pendulum-v1", replay_buffer_class=WithMore, buffer_size=20)
    assert type(stock.replay_buffer) is WithMore


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (WithoutEnv, "WithoutEnv cannot be sampled: .*'env'.*; allowed: sample"),
        (WithoutDones, "samples of WithoutDones have no 'dones'; allowed: samples with"),
        (FlatRewards, r"rewards in samples of FlatRewards have shape \(4,\); allowed: \(4, 1\)"),
        (FlatWeights, r"importance_weights in samples of FlatWeights have shape \(4,\)"),
        (WithProgress, "WithProgress cannot take priorities: missing .*'progress'; allowed: upd"),
        (
            changing("next_observations", lambda found: found[:1]),
            r"next_observations in samples of Changed have shape \(1, 3\); allowed: \(4, 3\)",
        ),
        (
            changing("observations", lambda found: found.repeat(1, 2)),
            r"observations in samples of Changed have shape \(4, 6\); allowed: \(4, 3\)",
        ),
        (
            changing("actions", lambda found: found.flatten()),
            r"actions in samples of Changed have shape \(4,\); allowed: \(4, 1\)",
        ),
        (
            changing("actions", lambda found: found.numpy()),
            "actions in samples of Changed are ndarray; allowed: tensors",
        ),
        (
            changing("dones", lambda found: found.bool()),
            r"dones in samples of Changed are torch.bool; allowed: numbers",
        ),
    ],
)
def test_samples_of_another_contract_are_refused(kind: Any, sentence: str) -> None:
    model = make(SAC, replay_buffer_class=kind, learning_starts=8, batch_size=4)
    with pytest.raises(Sb3ScaleError, match=sentence):
        model.learn(10)


def test_priorities_never_train_a_stock_policy() -> None:
    model = SAC("MlpPolicy", "Pendulum-v1", buffer_size=20, device="cpu")
    model.replay_buffer = PrioritizedReplayBuffer(
        20, model.observation_space, model.action_space, "cpu"
    )
    with pytest.raises(Sb3ScaleError, match="and SACPolicy does not know them"):
        model.learn(5)
