"""MinAtar's games."""

import sys
from importlib.util import find_spec

import gymnasium
import numpy as np
import pytest
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import DummyVecEnv

from sb3_scale import Sb3ScaleError
from sb3_scale.diagnostics.evaluation_env import evaluation_env
from sb3_scale_envs.tasks import MINATAR


def test_without_its_package_one_sentence_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "minatar.gym", None)
    message = r"'MinAtar/Breakout-v1' comes with MinAtar.*pip install sb3-scale-envs\[minatar\]"
    with pytest.raises(Sb3ScaleError, match=message):
        gymnasium.make("MinAtar/Breakout-v1")


@pytest.mark.skipif(find_spec("minatar") is None, reason="needs MinAtar")
@pytest.mark.parametrize("name", MINATAR)
def test_a_game_is_that_of_minatar_as_pictures(name):
    from minatar import Environment

    env = gymnasium.make(name, sticky_action_prob=0.0)
    words = {"SpaceInvaders": "space_invaders"}
    game = name.removeprefix("MinAtar/").removesuffix("-v1")
    theirs = Environment(words.get(game, game.lower()), sticky_action_prob=0.0)
    theirs.seed(3)
    theirs.reset()
    observation, _ = env.reset(seed=3)
    assert env.observation_space.contains(observation)
    meanings = theirs.minimal_action_set()
    assert env.action_space.n == len(meanings)
    env.action_space.seed(0)
    for _ in range(40):
        assert np.array_equal(observation.transpose(1, 2, 0) == 255, theirs.state())
        action = int(env.action_space.sample())
        observation, reward, terminated, truncated, _ = env.step(action)
        assert (reward, terminated) == theirs.act(meanings[action])
        assert not truncated
        if terminated:
            break


@pytest.mark.filterwarnings("ignore:The minimal resolution for an image")
@pytest.mark.skipif(find_spec("minatar") is None, reason="needs MinAtar")
def test_a_seed_gives_the_episode_whatever_was_played_before():
    env = gymnasium.make("MinAtar/Breakout-v1", sticky_action_prob=0.9)

    def first_action_sticks(before, seed):
        env.reset(seed=1)
        env.step(before)
        env.reset(seed=seed)
        env.step(0)
        return env.unwrapped.game.last_action

    assert all(first_action_sticks(1, seed) == 0 for seed in range(10))
    check_env(env)


@pytest.mark.skipif(find_spec("minatar") is None, reason="needs MinAtar")
def test_pictures_are_whole_numbers_and_a_second_environment_can_be_made():
    env = gymnasium.make("MinAtar/Breakout-v1", render_mode="rgb_array")
    env.reset(seed=0)
    picture = env.render()
    assert (picture.dtype, picture.shape) == (np.uint8, (10, 10, 3))
    assert picture.max() > 100
    assert env.metadata["render_fps"] == 20
    again = evaluation_env(DummyVecEnv([lambda: env]))
    assert again.observation_space == env.observation_space
