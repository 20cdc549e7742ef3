"""Gymnasium's and Stable-Baselines3's own checks, and a whole episode, for each task."""

import warnings

import gymnasium
import pytest
from gymnasium.utils.env_checker import check_env as gymnasium_check_env
from stable_baselines3.common.env_checker import check_env as sb3_check_env

from sb3_scale_envs.tasks import TASKS

NAMES = [f"{domain}-{task}" for domain, tasks in TASKS.items() for task in tasks]
FAST = {f"{domain}-{tasks[0]}" for domain, tasks in TASKS.items()}
FAST |= {"dog-run", "humanoid-walk", "quadruped-escape"}
CASES = [name if name in FAST else pytest.param(name, marks=pytest.mark.slow) for name in NAMES]

UNBOUNDED_OBSERVATION = "A Box observation space m"
OTHER_ACTION_BOUNDS = "symmetric and normalized"


def warnings_of(check, env, **kwargs):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        check(env, **kwargs)
    return [str(warning.message) for warning in caught]


def unexpected(name, messages):
    allowed = [UNBOUNDED_OBSERVATION]
    if name.startswith(("lqr", "quadruped")):
        allowed.append(OTHER_ACTION_BOUNDS)
    return [message for message in messages if not any(text in message for text in allowed)]


@pytest.mark.parametrize("name", CASES)
def test_check_env_of_gymnasium(name):
    env = gymnasium.make(name).unwrapped
    assert not unexpected(name, warnings_of(gymnasium_check_env, env, skip_render_check=True))


@pytest.mark.parametrize("name", CASES)
def test_check_env_of_sb3(name):
    env = gymnasium.make(name, action_repeat=2).unwrapped
    assert not unexpected(name, warnings_of(sb3_check_env, env))


@pytest.mark.parametrize("name", CASES)
def test_an_episode_has_1000_control_steps(name):
    env = gymnasium.make(name)
    env.action_space.seed(0)
    env.reset(seed=0)
    for count in range(1, 1001):
        _, reward, terminated, truncated, _ = env.step(env.action_space.sample())
        assert not terminated
        assert truncated == (count == 1000)
        assert name.startswith("lqr") or 0.0 <= reward <= 1.0
