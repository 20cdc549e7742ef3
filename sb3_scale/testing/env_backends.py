"""Checks of what makes the training environments."""

from typing import Any

import gymnasium
import numpy as np
from stable_baselines3.common.vec_env import VecEnv

from sb3_scale.registration import register_envs
from sb3_scale.testing.part_under_test import Subject

ENVS, STEPS = 2, 1000


def check_env_backend(subject: Subject) -> None:
    """
    :param subject: a backend, with the id of an environment that it has
    :raises AssertionError: if it does not keep :class:`sb3_scale.protocols.EnvBackend`
    """
    register_envs()
    env = subject.build(subject.env, ENVS, {})
    subject.require(isinstance(env, VecEnv), "makes no VecEnv of Stable-Baselines3")
    subject.require(env.num_envs == ENVS, f"makes {env.num_envs} environments, and not {ENVS}")
    alone = gymnasium.make(str(subject.env))
    for name in ("observation_space", "action_space"):
        own, gymnasium_s = getattr(env, name), getattr(alone, name)
        subject.require(own == gymnasium_s, f"has the {name} {own}, and Gymnasium {gymnasium_s}")
    first, second = (_start(subject, env) for _ in range(2))
    subject.require(np.array_equal(first, second), "begins differently with the same seed")
    _check_end(subject, env)
    env.close()


def _start(subject: Subject, env: VecEnv) -> Any:
    env.seed(1)
    return subject.call("reset", env.reset)


def _check_end(subject: Subject, env: VecEnv) -> None:
    shape = env.observation_space.shape
    for _ in range(STEPS):
        actions = np.stack([env.action_space.sample() for _ in range(ENVS)])
        observations, rewards, dones, infos = subject.call("step", env.step, actions)
        subject.require(
            np.shape(observations) == (ENVS, *(shape or ())) and np.shape(rewards) == (ENVS,),
            f"gives observations {np.shape(observations)} and rewards {np.shape(rewards)}",
        )
        if dones.any():
            break
    subject.require(bool(dones.any()), f"ends no episode within {STEPS} steps")
    for index in np.flatnonzero(dones):
        info = infos[index]
        for key in ("terminal_observation", "TimeLimit.truncated"):
            subject.require(key in info, f"has no '{key}' among the infos of an ended episode")
        subject.require(
            not np.array_equal(info["terminal_observation"], observations[index]),
            "gives the last observation of an episode as the first of the next",
        )
