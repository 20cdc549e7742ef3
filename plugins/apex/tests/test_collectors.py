"""Collectors in this process: what they send is what a local collector would have stored."""

from typing import Any

import numpy as np
import pytest
import torch
from small_models import make
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise, VectorizedActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from sb3_scale import SAC, TD3
from sb3_scale.collection.unmade import UnmadeVecEnv

ONE = {"name": "inline", "collectors": 1, "fragment_length": 1}


def envs(n_envs: int = 1, kind: Any = DummyVecEnv, env_id: str = "Pendulum-v1") -> Any:
    return make_vec_env(env_id, n_envs, seed=0, vec_env_cls=kind)


def stored(model: Any) -> dict[str, np.ndarray]:
    buffer = model.replay_buffer
    names = ("observations", "next_observations", "actions", "rewards", "dones", "timeouts")
    return {name: np.array(getattr(buffer, name)[: buffer.size()]) for name in names}


def assert_same(one: Any, other: Any) -> None:
    theirs = stored(other)
    for name, array in stored(one).items():
        np.testing.assert_array_equal(array, theirs[name], err_msg=name)
    pairs = zip(one.policy.state_dict().items(), other.policy.state_dict().values(), strict=True)
    for (name, ours), value in pairs:
        assert torch.equal(ours, value), name
    assert one.num_timesteps == other.num_timesteps
    assert one._n_updates == other._n_updates


@pytest.mark.parametrize("kind", [DummyVecEnv, UnmadeVecEnv])
def test_td3_trains_bit_for_bit_as_with_the_local_collector(kind: Any) -> None:
    settings: dict[str, Any] = {"train_freq": 2, "gradient_steps": 3}
    local = make(TD3, envs(), **settings).learn(260)
    inline = make(TD3, envs(kind=kind), **settings, collector=ONE).learn(260)
    assert local._episode_num == inline._episode_num == 1
    assert_same(inline, local)


@pytest.mark.parametrize(
    ("collectors", "kind"), [(1, VectorizedActionNoise), (3, NormalActionNoise)]
)
def test_noise_is_for_the_environments_of_a_collector_and_ends_with_the_algorithms(
    collectors: int, kind: Any
) -> None:
    seen = []

    class Look(BaseCallback):
        def _on_step(self) -> bool:
            workers = self.model.training.collector._training.engine._workers
            seen.append({type(worker._noise) for worker in workers.values()})
            if self.num_timesteps >= 60:
                self.model.action_noise = None
            return True

    noise = NormalActionNoise(np.zeros(1), np.full(1, 0.1))
    collector = {"name": "inline", "collectors": collectors, "fragment_length": 2}
    collector["max_weight_age"] = 1
    model = make(TD3, envs(3, UnmadeVecEnv), action_noise=noise, collector=collector)
    model.learn(240, Look())
    assert seen[0] == {kind}
    assert seen[-1] == {type(None)}
    assert model.replay_buffer.actions[:80].shape == (80, 3, 1)


def test_statistics_of_vec_normalize_are_those_of_the_local_collector() -> None:
    found = []
    for collector in ("local", ONE):
        env = VecNormalize(envs(), gamma=0.9)
        make(TD3, env, gradient_steps=0, collector=collector).learn(230)
        found.append((env.obs_rms, env.ret_rms))
    for local, inline in zip(*found, strict=True):
        np.testing.assert_allclose(inline.mean, local.mean, rtol=1e-12)
        np.testing.assert_allclose(inline.var, local.var, rtol=1e-12)
        assert inline.count == local.count


def test_statistics_of_several_collectors_are_those_of_all_that_was_seen() -> None:
    env = VecNormalize(envs(4, UnmadeVecEnv), gamma=0.9)
    collector = {"name": "inline", "collectors": 2, "fragment_length": 7}
    model = make(SAC, env, gradient_steps=0, collector=collector, buffer_size=1000)
    model.learn(4 * 7 * 20)
    buffer = model.replay_buffer
    assert not buffer.dones.any()
    # The first observation of each environment, then each that followed.
    seen = np.concatenate((buffer.observations[:1], buffer.next_observations[: buffer.size()]))
    rows = seen.reshape(-1, 3).astype(np.float64)
    fresh = 1e-4
    assert env.obs_rms.count == len(rows) + fresh
    mean = rows.sum(0) / (len(rows) + fresh)
    np.testing.assert_allclose(env.obs_rms.mean, mean, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(env.obs_rms.var, rows.var(0), rtol=1e-4)
    rewards = buffer.rewards[: buffer.size()].astype(np.float64)
    returns = np.zeros_like(rewards)
    for step, reward in enumerate(rewards):
        returns[step] = reward + (0.9 * returns[step - 1] if step else 0)
    np.testing.assert_allclose(env.ret_rms.var, returns.var(), rtol=1e-4)


def test_what_the_networks_see_is_normalised_by_the_merged_statistics() -> None:
    env = VecNormalize(envs(2, UnmadeVecEnv))
    collector = {"name": "inline", "collectors": 2, "fragment_length": 5}
    merged, seen = [], []

    class Look(BaseCallback):
        def _on_step(self) -> bool:
            workers = self.model.training.collector._training.engine._workers
            seen[:] = [worker.plan.normalize.obs_rms.mean for worker in workers.values()]
            merged.append(env.obs_rms.mean)
            return True

    make(SAC, env, collector=collector).learn(200, Look())
    for mean in seen:
        assert any(np.array_equal(mean, each) for each in merged[-10:])


def test_each_environment_has_a_stream_and_a_seed_of_its_own() -> None:
    collector = {"name": "inline", "collectors": 3, "fragment_length": 4}
    model = make(SAC, envs(6, UnmadeVecEnv), gradient_steps=0, collector=collector).learn(240)
    local = make(SAC, envs(6), gradient_steps=0).learn(240)
    first = model.replay_buffer.observations[0]
    np.testing.assert_array_equal(first, local.replay_buffer.observations[0])
    assert len(np.unique(first, axis=0)) == 6
    assert model.replay_buffer.streams.written.tolist() == [40] * 6


class Counts(BaseCallback):
    """Looks at each call of a callback."""

    def __init__(self) -> None:
        super().__init__()
        self.steps: list[int] = []
        self.ratios: list[float] = []

    def _on_step(self) -> bool:
        assert len(self.locals["infos"]) == len(self.locals["dones"]) == self.model.n_envs
        self.steps.append(self.num_timesteps)
        decisions = self.num_timesteps - self.model.learning_starts
        if decisions > 100:
            self.ratios.append(self.model._n_updates / decisions)
        return True


def test_callbacks_are_called_as_often_as_with_one_vec_env() -> None:
    counts = Counts()
    collector = {"name": "inline", "collectors": 2, "fragment_length": 3}
    make(SAC, envs(4, UnmadeVecEnv), collector=collector).learn(200, counts)
    assert counts.n_calls == 50
    assert counts.steps == list(range(4, 201, 4))


@pytest.mark.parametrize(
    ("bounds", "gradient_steps"), [([0.5, 0.5], 1), ([0.25, 1], 2), ([2, 2], 4), ([0, 0.1], 1)]
)
def test_gradient_steps_per_decision_stay_within_their_bounds(
    bounds: list[float], gradient_steps: int
) -> None:
    counts = Counts()
    collector = {
        "name": "inline",
        "collectors": 2,
        "fragment_length": 3,
        "updates_per_decision": bounds,
    }
    settings: dict[str, Any] = {"gradient_steps": gradient_steps, "learning_starts": 30}
    make(SAC, envs(2, UnmadeVecEnv), collector=collector, **settings).learn(300, counts)
    least, greatest = bounds
    # Up to one fragment, or the steps of one train call, may be ahead.
    assert min(counts.ratios) >= least * (1 - 8 / 100) - gradient_steps / 100
    assert max(counts.ratios) <= greatest + 1e-9
    assert counts.ratios[-1] > 0


@pytest.mark.parametrize("total", [101, 128])
def test_no_more_decisions_are_taken_than_were_asked_for(total: int) -> None:
    collector = {"name": "inline", "collectors": 2, "fragment_length": 16, "in_flight": 2}
    model = make(SAC, envs(4, UnmadeVecEnv), gradient_steps=0, collector=collector).learn(total)
    # A step of one collector's two environments is the least there is.
    assert model.num_timesteps == total + total % 2
    assert model.replay_buffer.streams.stored == model.num_timesteps


def test_training_goes_on_where_it_ended_and_counts_on(tmp_path: Any) -> None:
    collector = {"name": "inline", "collectors": 2, "fragment_length": 16, "in_flight": 2}
    model = make(SAC, envs(2, UnmadeVecEnv), collector=collector).learn(100)
    model.save(tmp_path / "model")
    model.save_replay_buffer(tmp_path / "buffer")
    loaded = SAC.load(tmp_path / "model", envs(2, UnmadeVecEnv), device="cpu")
    loaded.load_replay_buffer(tmp_path / "buffer")
    loaded.learn(60, reset_num_timesteps=False)
    assert (loaded.num_timesteps, loaded.replay_buffer.streams.stored) == (160, 160)
    assert loaded._n_updates == model._n_updates + 30
    # Not the episodes of before again.
    resumed = loaded.replay_buffer.observations[50]
    assert not np.isclose(resumed, loaded.replay_buffer.observations[0]).any()


def test_a_buffer_with_priorities_takes_those_of_collectors() -> None:
    collector = {
        "name": "inline",
        "collectors": 2,
        "fragment_length": 5,
        "first_priorities": "td-error",
    }
    model = make(
        SAC,
        envs(2, UnmadeVecEnv),
        replay_buffer_class="prioritized",
        gradient_steps=0,
        collector=collector,
    ).learn(40)
    priorities = model.replay_buffer.tree[np.arange(40)]
    assert len(np.unique(priorities)) == 40
    buffer, policy = model.replay_buffer, model.policy
    # Weights have not changed: the errors can be computed anew, but for the sampled next actions.
    data = buffer.sequences(np.arange(40), None)
    with torch.no_grad():
        torch.manual_seed(0)
        errors = []
        for _ in range(200):
            action, log_prob = policy.actor.action_log_prob(data.next_observations)
            value = policy.critic_target(data.next_observations, action).min(0).values
            value = value - model.log_ent_coef.exp() * log_prob
            target = data.rewards + (1 - data.dones) * model.gamma * value
            outputs = policy.critic(data.observations, data.actions)
            errors.append((outputs - target).abs().mean(0).flatten())
    low, high = torch.stack(errors).min(0).values, torch.stack(errors).max(0).values
    found = torch.as_tensor(priorities ** (1 / buffer.alpha) - buffer.eps)
    assert ((found > low - 0.05) & (found < high + 0.05)).float().mean() > 0.9
