"""MinAtar's games."""

import sys
from importlib.util import find_spec

import gymnasium
import numpy as np
import pytest

from sb3_scale import Sb3ScaleError
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
