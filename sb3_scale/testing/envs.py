"""Checks of environments."""

import warnings

import gymnasium
import numpy as np
from stable_baselines3.common.env_checker import check_env as check_gymnasium

from sb3_scale.registration import register_envs
from sb3_scale.testing.part_under_test import Subject


def check_env(subject: Subject) -> None:
    """
    :param subject: an environment
    :raises AssertionError: if it does not keep the interface of Gymnasium
    """
    register_envs()
    env = subject.call("gymnasium.make", gymnasium.make, subject.spec.name, **subject.params)
    with warnings.catch_warnings():
        # Advice on spaces is no fault; what is one raises.
        warnings.simplefilter("ignore")
        subject.call("Stable-Baselines3's check_env", check_gymnasium, env, skip_render_check=True)
    first, second = (env.reset(seed=1)[0] for _ in range(2))
    pairs = [(first, second)]
    if isinstance(first, dict):
        pairs = [(first[key], second[key]) for key in first]
    subject.require(
        all(np.array_equal(*pair) for pair in pairs), "begins differently with the same seed"
    )
    env.close()
