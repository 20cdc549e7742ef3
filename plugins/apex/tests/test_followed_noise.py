"""The algorithm's noise in collectors: each has its own, and it goes on until it is changed."""

import pickle
from typing import Any

import numpy as np
import pytest
from small_models import make
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import OrnsteinUhlenbeckActionNoise, VectorizedActionNoise

from sb3_scale import TD3
from sb3_scale.collection.unmade import UnmadeVecEnv
from sb3_scale_apex.noise import FollowedNoise


def drift() -> OrnsteinUhlenbeckActionNoise:
    return OrnsteinUhlenbeckActionNoise(np.zeros(1), np.full(1, 0.3))


def single(noise: Any) -> list[Any]:
    return noise.noises if isinstance(noise, VectorizedActionNoise) else [noise]


class Look(BaseCallback):
    """Notes the noise of each collector at each version of the weights."""

    def __init__(self, change_at: int) -> None:
        super().__init__()
        self.change_at = change_at
        self.seen: dict[int, list[tuple[int, float, list[Any]]]] = {}

    def _on_step(self) -> bool:
        base = self.model.action_noise
        base = base.base_noise if isinstance(base, VectorizedActionNoise) else base
        if self.num_timesteps == self.change_at:
            base._sigma = np.full(1, 0.05)
        for number, worker in self.model.training.collector._training.engine._workers.items():
            own = single(worker._noise)
            assert all(each is not base for each in own)
            entry = (worker._version, float(own[0]._sigma[0]), own)
            self.seen.setdefault(number, []).append(entry)
        return True


@pytest.mark.parametrize("n_envs", [2, 4])
def test_noise_that_remembers_goes_on_in_each_collector_until_it_is_changed(n_envs: int) -> None:
    look = Look(change_at=120)
    collector = {"name": "inline", "collectors": 2, "fragment_length": 4, "max_weight_age": 1}
    model = make(
        TD3,
        make_vec_env("Pendulum-v1", n_envs, vec_env_cls=UnmadeVecEnv),
        action_noise=drift(),
        collector=collector,
    )
    model.learn(240, look)
    kept = []
    for entries in look.seen.values():
        assert len({version for version, _, _ in entries}) > 5
        found = {sigma: {id(each): each for each in own} for _, sigma, own in entries}
        assert list(found) == [0.3, 0.05]
        assert [len(each) for each in found.values()] == [n_envs // 2] * 2
        kept += [noise for each in found.values() for noise in each.values()]
    assert len({id(noise) for noise in kept}) == 2 * n_envs
    assert len({float(noise.noise_prev[0]) for noise in kept}) == 2 * n_envs


@pytest.mark.parametrize("n_envs", [1, 3])
def test_what_is_received_again_changes_nothing(n_envs: int) -> None:
    """Ray gives a new object of the same contents with each version."""
    followed, sent = FollowedNoise(n_envs), drift()
    first = followed.follow(pickle.loads(pickle.dumps(sent)))
    assert first is not None
    for _ in range(5):
        first()
    assert followed.follow(pickle.loads(pickle.dumps(sent))) is first
    sent._sigma = np.zeros(1)
    changed = followed.follow(pickle.loads(pickle.dumps(VectorizedActionNoise(sent, 7))))
    assert changed is not None
    assert not np.any(changed())
    assert np.shape(changed()) == ((1,) if n_envs == 1 else (n_envs, 1))
    assert followed.follow(None) is None
