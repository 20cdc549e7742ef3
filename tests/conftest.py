"""One thread per test process: the networks of the tests are too small to share out."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv

torch.set_num_threads(1)


@pytest.fixture
def beside() -> Iterator[Callable[..., SubprocVecEnv]]:
    """Makes Pendulum in processes of their own, which end with the test."""
    opened: list[SubprocVecEnv] = []

    def make(wrapper: Any = None, n_envs: int = 1, **kwargs: Any) -> SubprocVecEnv:
        opened.append(
            make_vec_env(
                "Pendulum-v1",
                n_envs,
                seed=0,
                wrapper_class=wrapper,
                wrapper_kwargs=kwargs,
                vec_env_cls=SubprocVecEnv,
                vec_env_kwargs={"start_method": "fork"},
            )
        )
        return opened[-1]

    yield make
    for env in opened:
        env.close()


@pytest.fixture(scope="session")
def pendulum_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real run of RL-Zoo with seed 0: 2 episodes, 2 evaluations of 1 episode."""
    from compared_runs import small_run

    return small_run(tmp_path_factory.mktemp("pendulum"))
