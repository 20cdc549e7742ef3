"""A synchronous collector on Ray sends what the same collector in this process sends."""

from typing import Any

import numpy as np
import pytest
import torch
from small_models import make
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from sb3_scale import SAC
from sb3_scale.collection.unmade import UnmadeVecEnv


@pytest.mark.slow
@pytest.mark.parametrize("priorities", ["greatest", "td-error"])
def test_ray_and_inline_give_the_same_training_transition_by_transition(priorities: str) -> None:
    found: list[Any] = []
    for name, more in (("inline", {}), ("ray", {"cpus": 0.1})):
        env = make_vec_env("Pendulum-v1", 2, seed=0, vec_env_cls=UnmadeVecEnv)
        collector = {
            "name": name,
            "collectors": 1,
            "fragment_length": 5,
            "in_flight": 0,
            "spread": [0.5, 2],
            "first_priorities": priorities,
            **more,
        }
        model = make(
            SAC,
            VecNormalize(env),
            replay_buffer_class="prioritized",
            gradient_steps=2,
            collector=collector,
        )
        found.append(model.learn(430))
    inline, ray = found
    for name in ("observations", "next_observations", "actions", "rewards", "dones", "timeouts"):
        theirs = getattr(ray.replay_buffer, name)[:215]
        np.testing.assert_array_equal(getattr(inline.replay_buffer, name)[:215], theirs)
    rows = np.arange(430)
    np.testing.assert_array_equal(inline.replay_buffer.tree[rows], ray.replay_buffer.tree[rows])
    np.testing.assert_array_equal(inline.env.obs_rms.mean, ray.env.obs_rms.mean)
    assert inline._n_updates == ray._n_updates == 410
    states = zip(inline.policy.parameters(), ray.policy.parameters(), strict=True)
    assert all(torch.equal(*pair) for pair in states)
